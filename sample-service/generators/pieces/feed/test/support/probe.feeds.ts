import { z } from 'zod'
import { sleep } from '../../src/context/sleep.ts'
import { eventStream } from '../../src/platform/feed/sse.ts'
import { requestOf } from '../../src/platform/request.ts'
import { route, type Route } from '../../src/platform/http/route.ts'
import type { Platform } from '../../src/platform/platform.ts'

/** `GET /probe/events` sends an event of `bytes` every `everyMs`. */
export function probeFeedRoutes(platform: Platform): Route[] {
  return [
    route({
      method: 'GET',
      path: '/probe/events',
      summary: 'Sends events',
      tags: ['probe'],
      query: z.object({
        bytes: z.coerce.number().default(0),
        everyMs: z.coerce.number().default(100),
        heartbeatMs: z.coerce.number().default(15_000),
      }),
      guard(ctx, { headers }) {
        const expires = headers['x-expires-ms']
        const info = requestOf(ctx)
        if (info !== undefined && expires !== undefined) info.principalUntil = Date.now() + Number(expires)
        return ctx
      },
      responses: { 200: { description: 'Events', contentType: 'text/event-stream' } },
      handle: (ctx, { query: { bytes, everyMs, heartbeatMs } }) =>
        eventStream(
          ctx,
          platform,
          async (ctx) => {
            if (everyMs > 0) await sleep(ctx, everyMs)
            return bytes === 0 ? [] : [{ id: '1', data: 'x'.repeat(bytes) }]
          },
          { heartbeatMs, slowMs: 1_000 },
        ),
    }),
  ]
}
