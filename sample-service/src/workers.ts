import type { Platform } from './platform/platform.ts'
import type { Worker } from './platform/lifecycle/workers.ts'

/** Background workers, which run under the server context as requests do. `npm run add -- job` adds the first. */
export function workers(_platform: Platform): Worker[] {
  return []
}
