import { healthRoutes } from './health/health.routes.ts'
import type { Platform } from './platform/platform.ts'
import type { Route } from './platform/http/route.ts'

/** The HTTP surface: everything the public listener answers, but for the pages that are made from it. */
export function routes(platform: Platform): Route[] {
  return [...healthRoutes(platform)]
}
