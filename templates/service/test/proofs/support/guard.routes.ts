import { Hono } from 'hono'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { contextKey, withValue, type Context } from '../../../src/context/context.ts'
import { documentedGuard, type Guard } from '../../../src/platform/http/guard.ts'
import { guardedBy, type App } from '../../../src/platform/http/middleware.ts'
import { route, type Route } from '../../../src/platform/http/route.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import { Problem } from '../../../src/platform/problem.ts'
import { routes as probes } from '../../support/probe.routes.ts'

export { guards, headers, open } from '../../support/probe.routes.ts'

const name = contextKey<string>('name')
const checked = contextKey<readonly string[]>('checked')
const responses = { 200: { description: 'Done' } }
const tags = ['probe']

export const asksForName = documentedGuard(
  {
    security: [{ name: [] }],
    schemes: { name: { type: 'apiKey', in: 'header', name: 'x-name' } },
    responses: { 401: { description: 'Nobody knows who it is' } },
    headers: { 'x-name': 'Who it is' },
  },
  (ctx, request) => {
    request.setHeader('x-guard', 'asked')
    const given = request.headers['x-name']
    if (typeof given === 'string') return withValue(withValue(ctx, name, given), checked, [given])
    throw new Problem(401, 'Unauthorized', 'who is it?', { headers: { 'www-authenticate': 'Name' } })
  },
)

const asksAgain: Guard = async (ctx) => {
  await Promise.resolve()
  return withValue(ctx, checked, [...(ctx.value(checked) ?? []), `after ${ctx.value(name) ?? 'nobody'}`])
}

const about = { method: 'GET' as const, summary: 'Is guarded', tags, responses }

/** An app of Hono behind the guard of the routes. */
export function middlewares(app: App): void {
  const mounted = new Hono()
    .use(guardedBy(asksForName))
    .get('/', (c) => c.json(c.var.ctx.value(name) ?? null))
  app.route('/app', mounted)
}

/** The probes of the service's own tests, and guarded routes. */
export function routes(platform: Platform): Route[] {
  const handle = (ctx: Context): Response =>
    Response.json({ name: ctx.value(name), checked: ctx.value(checked) })
  const slow: Guard = async (ctx) => {
    await platform.db.run(ctx, (q) => q.execute(sql`select pg_sleep(60)`))
    return ctx
  }
  const broken = (() => undefined) as unknown as Guard
  return [
    ...probes(platform),
    route({ ...about, path: '/guarded', guard: asksForName, handle }),
    route({ ...about, method: 'POST', path: '/guarded', guard: asksForName, body: z.unknown(), handle }),
    route({ ...about, path: '/guarded/twice', guard: [asksForName, asksAgain], handle }),
    route({ ...about, path: '/guarded/slow', guard: slow, handle }),
    route({ ...about, path: '/guarded/broken', guard: broken, handle }),
  ]
}
