import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Platform } from '../../templates/service/src/platform/platform.ts'
import { route, type Route } from '../../templates/service/src/platform/route.ts'

/** The one route that is measured: its statement holds a lock of Postgres for as long as it runs. */
export function routes({ db }: Platform): Route[] {
  return [
    route({
      method: 'GET',
      path: '/hold/:key',
      summary: 'Holds an advisory lock until the statement ends',
      tags: ['bench'],
      params: z.object({ key: z.coerce.number().int() }),
      responses: { 200: { description: 'Never' } },
      handle: async (ctx, { params }) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_advisory_xact_lock(${params.key}), pg_sleep(60)`))
        return Response.json({})
      },
    }),
  ]
}
