import { withGuard, type Route } from '../http/route.ts'
import type { Platform } from '../platform.ts'
import { databaseStore } from './database-store.ts'
import { rateLimit } from './rate-limit.ts'

/**
 * The limits of this service: one for each caller, over all routes but probes. A route may have one more, by
 * `guard: rateLimit(…)`; a team that wants other rules changes this function.
 */
export function rateLimited(platform: Platform, routes: readonly Route[]): Route[] {
  const limit = { name: 'default', requests: 100, seconds: 60 }
  const guard = rateLimit(platform, databaseStore(platform), limit)
  return routes.map((route) => (route.quiet === true ? route : withGuard(guard, route)))
}
