import { cors } from 'hono/cors'
import { healthRoutes } from './health/health.routes.ts'
import type { Platform } from './platform/platform.ts'
import type { Guard } from './platform/http/guard.ts'
import type { App } from './platform/http/middleware.ts'
import type { Route } from './platform/http/route.ts'

/** Headers of every answer, also of a problem, unless it has its own. */
export const headers = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** What stands in front of the routes: middlewares and apps of Hono, in this order. docs/hono.md says what holds of them. */
export function middlewares(app: App, { corsOrigins }: Platform): void {
  // What a page may read of an answer, whichever pieces are there.
  const limits = ['RateLimit', 'RateLimit-Policy', 'Retry-After']
  const exposeHeaders = ['ETag', 'Location', ...limits, 'WWW-Authenticate', 'X-Request-Id']
  if (corsOrigins.length > 0) app.use(cors({ origin: [...corsOrigins], exposeHeaders, maxAge: 600 }))
}

/** Asked in this order before every route that is not `open`: who is calling, how often. A route has its own beside them. */
export function guards(_platform: Platform): Guard[] {
  return []
}

/** The routes that `guards` leave alone: a path, or `GET /path` for one method. The API pages are open too. */
export const open = ['/livez', '/readyz']

/** All routes of the public listener, except the API pages generated from them. */
export function routes(platform: Platform): Route[] {
  return [...healthRoutes(platform)]
}
