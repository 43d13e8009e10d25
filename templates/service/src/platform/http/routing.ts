import type { Context as HonoContext, Hono } from 'hono'
import { matchedRoutes } from 'hono/route'
import { methodNotAllowed, notFound, type Problem } from '../problem.ts'
import type { RequestInfo } from '../request.ts'
import type { Env } from './handle.ts'
import type { Route } from './route.ts'

/** The route behind the middlewares that a request meets; undefined if none answers it, or a handler of a mounted app. */
export function routeOf(c: HonoContext<Env>, byHandler: ReadonlyMap<unknown, Route>): Route | undefined {
  const handler = matchedRoutes(c).find(({ method }) => method !== 'ALL')?.handler
  return byHandler.get(handler)
}

/** 405 if the path answers other methods; HEAD is answered where GET is (RFC 9110, 9.1). */
export function unrouted(app: Hono<Env>, { method, path }: RequestInfo, requested: string): Problem {
  // A middleware is mounted for all methods, and answers none.
  const methods = new Set(app.routes.map((route) => route.method).filter((one) => one !== 'ALL'))
  const allowed = Array.from(methods).filter((one) =>
    app.router.match(one, requested)[0].some(([[, route]]) => route.method !== 'ALL'),
  )
  const nothing = `nothing answers ${method} ${path}`
  if (allowed.length === 0) return notFound(nothing)
  const all = allowed.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]))
  return methodNotAllowed(`${nothing}: it answers ${all.join(', ')}`, all)
}
