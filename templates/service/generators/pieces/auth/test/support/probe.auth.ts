import { route, type Route } from '../../src/platform/http/route.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { requestOf } from '../../src/platform/request.ts'
import type { Auth } from '../../src/platform/auth/auth.ts'
import { authenticated, scoped } from '../../src/platform/auth/authenticated.ts'
import { principalOf } from '../../src/platform/auth/principal.ts'

/** Routes that return their caller. They have the guard themselves, whatever src/routes.ts has. */
export function probeAuthRoutes(platform: Platform & { readonly auth: Auth }): Route[] {
  const about = { method: 'GET' as const, tags: ['probe'], responses: { 200: { description: 'Who calls' } } }
  const guard = authenticated(platform)
  return [
    route({
      ...about,
      path: '/probe/principal',
      summary: 'Tells who calls',
      guard,
      handle: (ctx) => {
        const { id, scopes } = principalOf(ctx)
        return Response.json({ id, scopes, until: requestOf(ctx)?.principalUntil })
      },
    }),
    route({
      ...about,
      path: '/probe/scoped',
      summary: 'Needs two scopes',
      guard: [guard, scoped('notes.read', 'notes.write')],
      handle: (ctx) => Response.json({ id: principalOf(ctx).id }),
    }),
  ]
}
