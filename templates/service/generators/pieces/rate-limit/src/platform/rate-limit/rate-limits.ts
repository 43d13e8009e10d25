import type { Guard } from '../http/guard.ts'
import type { Platform } from '../platform.ts'
import { databaseStore } from './database-store.ts'
import { rateLimit } from './rate-limit.ts'

/**
 * The limit of each caller over all routes that src/routes.ts does not leave open. It is in `guards` there: after a guard that
 * sets the principal it counts principals, else addresses. A route may have one more: `guard: rateLimit(…)`.
 */
export function defaultLimit(platform: Platform & Configured): Guard {
  return rateLimit(platform, databaseStore(platform), { name: 'default', ...platform.rateLimit })
}

/** RATE_LIMIT_REQUESTS and RATE_LIMIT_SECONDS. */
interface Configured {
  readonly rateLimit: { readonly requests: number; readonly seconds: number }
}
