import { cors } from 'hono/cors'
import { healthRoutes } from './health/health.routes.ts'
import type { Platform } from './platform/platform.ts'
import type { Guard } from './platform/http/guard.ts'
import type { App } from './platform/http/middleware.ts'
import type { Route } from './platform/http/route.ts'
import { widgetRoutes } from './widgets/widgets.routes.ts'

/** Headers of every answer, problems included, unless the answer sets its own. */
export const headers = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Mounts middlewares and apps of Hono in front of the routes, in this order. docs/hono.md says how they behave. */
export function middlewares(app: App, { corsOrigins }: Platform): void {
  // The headers that a page of another origin may read, those of pieces included.
  const limits = ['RateLimit', 'RateLimit-Policy', 'Retry-After']
  const exposeHeaders = ['ETag', 'Location', ...limits, 'WWW-Authenticate', 'X-Request-Id']
  if (corsOrigins.length > 0) app.use(cors({ origin: [...corsOrigins], exposeHeaders, maxAge: 600 }))
}

/** The guards of every route that is not in `open`, which run in this order. A route may add guards of its own. */
export function guards(_platform: Platform): Guard[] {
  return []
}

/** The routes without these guards: a path, or `GET /path` for one method. The API pages have none either. */
export const open = ['/livez', '/readyz']

/** All routes of the public listener, except the API pages generated from them. */
export function routes(platform: Platform): Route[] {
  return [...healthRoutes(platform), ...widgetRoutes(platform)]
}
