import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { publish, type EventKind } from '../../src/platform/events/outbox.ts'
import { route, type Route } from '../../src/platform/http/route.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { requestOf } from '../../src/platform/request.ts'

const Data = z.object({ key: z.string(), text: z.string() })

/** An event for tests. */
export const probeEvent: EventKind<typeof Data> = {
  type: 'probe-v1',
  summary: 'A test has asked for it',
  data: Data,
  key: ({ key }) => key,
}

const Query = z.object({
  key: z.string().default('a'),
  text: z.string().default(''),
  /** The principal that a guard would have set. */
  caller: z.string().optional(),
  /** Seconds that the transaction goes on after the event was published, and how it ends. */
  hold: z.coerce.number().default(0),
  end: z.enum(['commit', 'rollback']).default('commit'),
})

/** `POST /probe/events` publishes one. */
export function probeEventRoutes({ db }: Platform): Route[] {
  return [
    route({
      method: 'POST',
      path: '/probe/events',
      summary: 'Publishes an event in a transaction',
      tags: ['probe'],
      query: Query,
      responses: { 202: { description: 'Published' } },
      handle: async (ctx, { query: { key, text, caller, hold, end } }) => {
        const request = requestOf(ctx)
        if (request !== undefined) request.principal = caller
        const id = await db.transaction(ctx, async (q, ctx) => {
          const id = await publish(ctx, q, probeEvent, { key, text })
          if (hold > 0) await q.execute(sql`select pg_sleep(${hold})`)
          if (end === 'rollback') throw new Error('rolled back')
          return id
        })
        return Response.json({ id }, { status: 202 })
      },
    }),
  ]
}
