import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { afterFunc } from '../../templates/service/src/context/context.ts'
import type { Platform } from '../../templates/service/src/platform/platform.ts'
import { route, type Route } from '../../templates/service/src/platform/http/route.ts'
import { machineMs, noteConnections } from './marks.ts'

const tags = ['bench']

export const headers = {}
export const open = []

export function guards(): [] {
  return []
}

export function middlewares(): void {
  // None: the route alone is measured.
}

/** The measured route, whose statement holds a lock of Postgres while it runs, and a route with the marks. */
export function routes({ db }: Platform): Route[] {
  const marks = noteConnections()
  return [
    route({
      method: 'GET',
      path: '/hold/:key',
      summary: 'Holds an advisory lock until the statement ends',
      tags,
      params: z.object({ key: z.coerce.number().int() }),
      responses: { 200: { description: 'Never' } },
      handle: async (ctx, { params }) => {
        afterFunc(ctx, () => (marks.ended = machineMs()))
        try {
          await db.run(ctx, (q) => q.execute(sql`select pg_advisory_xact_lock(${params.key}), pg_sleep(60)`))
        } finally {
          marks.rejected = machineMs()
        }
        return Response.json({})
      },
    }),
    route({
      method: 'GET',
      path: '/marks',
      summary: 'The marks of the last cancel, and the number of cancels',
      tags,
      responses: { 200: { description: 'Milliseconds of the monotonic clock' } },
      handle: () => Promise.resolve(Response.json(marks)),
    }),
  ]
}
