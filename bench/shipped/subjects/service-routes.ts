import { eq } from 'drizzle-orm'
import type { Platform } from '../../../templates/service/src/platform/platform.ts'
import { route, type Route } from '../../../templates/service/src/platform/http/route.ts'
import { items, shelf } from './items.ts'

const about = { summary: 'Is measured', tags: [], responses: {} }

/** The routes of the measured service, in place of those of its src/routes.ts. */
export function routes({ db }: Platform): Route[] {
  return [
    route({
      ...about,
      method: 'GET',
      path: '/hello',
      handle: () => Response.json({ hello: 'world' }),
    }),
    route({
      ...about,
      method: 'GET',
      path: '/hello-async',
      handle: async () => {
        await Promise.resolve()
        return Response.json({ hello: 'world' })
      },
    }),
    route({
      ...about,
      method: 'GET',
      path: '/items',
      handle: async (ctx) => {
        const found = await db.run(ctx, (q) =>
          q.select().from(items).where(eq(items.shelf, shelf)).orderBy(items.id),
        )
        return Response.json({ items: found })
      },
    }),
  ]
}
