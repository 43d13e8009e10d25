import { eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import { prepared, type Values } from '../../../templates/service/src/platform/database/prepared.ts'
import type { Platform } from '../../../templates/service/src/platform/platform.ts'
import { route, type Route } from '../../../templates/service/src/platform/http/route.ts'
import { items, shelf } from './items.ts'

const about = { method: 'GET', summary: 'Is measured', tags: [], responses: {} } as const

/** As in the repositories that `npm run add` stamps. */
const onShelf = prepared((q, value: Values<{ shelf: number }>) =>
  q
    .select()
    .from(items)
    .where(eq(items.shelf, value('shelf')))
    .orderBy(items.id),
)

/** The routes of the measured service. */
export function measured({ db }: Platform): Route[] {
  return [
    route({ ...about, path: '/hello', handle: () => Response.json({ hello: 'world' }) }),
    route({
      ...about,
      path: '/hello-async',
      handle: async () => {
        await Promise.resolve()
        return Response.json({ hello: 'world' })
      },
    }),
    route({
      ...about,
      method: 'POST',
      path: '/echo',
      body: z.strictObject({ name: z.string(), count: z.number(), tags: z.array(z.string()) }),
      handle: (_ctx, { body }) => Response.json(body),
    }),
    route({
      ...about,
      path: '/items',
      handle: async (ctx) => Response.json({ items: await db.run(ctx, (q) => onShelf(q, { shelf })) }),
    }),
    route({
      ...about,
      path: '/items-built',
      handle: async (ctx) => {
        const found = await db.run(ctx, (q) =>
          q.select().from(items).where(eq(items.shelf, shelf)).orderBy(items.id),
        )
        return Response.json({ items: found })
      },
    }),
    route({
      ...about,
      path: '/waited',
      handle: async (ctx) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.02)`))
        return Response.json({})
      },
    }),
    route({
      ...about,
      path: '/slow',
      handle: async (ctx) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(10)`))
        return Response.json({})
      },
    }),
  ]
}
