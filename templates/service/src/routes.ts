import { healthRoutes } from './health/health.routes.ts'
import type { Platform } from './platform/platform.ts'
import type { Route } from './platform/http/route.ts'

/** All routes of the public listener, except the API pages generated from them. */
export function routes(platform: Platform): Route[] {
  return [...healthRoutes(platform)]
}
