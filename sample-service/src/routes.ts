import { healthRoutes } from './health/health.routes.ts'
import type { Platform } from './platform/platform.ts'
import type { Route } from './platform/http/route.ts'
import { documentRoutes } from './documents/documents.routes.ts'

/** All routes of the public listener, except the API pages generated from them. */
export function routes(platform: Platform): Route[] {
  return [...healthRoutes(platform), ...documentRoutes(platform)]
}
