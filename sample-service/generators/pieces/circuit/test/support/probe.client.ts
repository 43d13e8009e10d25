import { z } from 'zod'
import { sleep } from '../../src/context/sleep.ts'
import { createClient } from '../../src/platform/client/client.ts'
import { route, type Route } from '../../src/platform/http/route.ts'
import type { Platform } from '../../src/platform/platform.ts'

/** `GET /probe/relay` calls the URL `to`. */
export function probeClientRoutes(_platform: Platform): Route[] {
  return [
    route({
      method: 'GET',
      path: '/probe/relay',
      summary: 'Calls another service, and answers with what it answered',
      tags: ['probe'],
      query: z.object({ to: z.url(), afterMs: z.coerce.number().default(0) }),
      responses: { 200: { description: 'Done' } },
      handle: async (ctx, { query }) => {
        await sleep(ctx, query.afterMs)
        const { origin, pathname, search } = new URL(query.to)
        const client = createClient({ baseUrl: origin, name: 'relayed' })
        return new Response(await client.text(ctx, pathname + search))
      },
    }),
  ]
}
