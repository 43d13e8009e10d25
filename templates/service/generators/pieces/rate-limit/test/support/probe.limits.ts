import { memoryStore } from '../../src/platform/rate-limit/store.ts'
import { databaseStore } from '../../src/platform/rate-limit/database-store.ts'
import { rateLimit } from '../../src/platform/rate-limit/rate-limit.ts'
import { route, type Route } from '../../src/platform/http/route.ts'
import type { Platform } from '../../src/platform/platform.ts'

/**
 * `GET /probe/limited/database`, `/memory`, `/hasty`, which waits 250 ms for the database, and `/brisk`, which waits a second:
 * ten requests at once, and one more every second; the caller is `x-caller`. `/twice` has another limit of two requests a day.
 */
export function probeLimitedRoutes(platform: Platform): Route[] {
  const [database, memory] = [databaseStore(platform), memoryStore()]
  const stores = { database, memory, hasty: database, brisk: database }
  const patience: Record<string, number> = { hasty: 250, brisk: 1_000 }
  const daily = rateLimit(platform, stores.memory, {
    name: 'daily',
    requests: 2,
    seconds: 86_400,
    by: () => 'all',
  })
  const limits = { ...stores, twice: stores.memory }
  return Object.entries(limits).map(([name, store]) =>
    route({
      method: 'GET',
      path: `/probe/limited/${name}`,
      summary: 'Is limited',
      tags: ['probe'],
      guard: [
        rateLimit(platform, store, {
          name: `probe-${name}`,
          requests: 10,
          seconds: 10,
          patienceMs: patience[name] ?? 10_000,
          by: (_ctx, { headers }) => String(headers['x-caller']),
        }),
        ...(name === 'twice' ? [daily] : []),
      ],
      responses: { 200: { description: 'Done' } },
      handle: () => Response.json({}),
    }),
  )
}
