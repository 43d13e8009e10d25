import type { Platform } from './platform/platform.ts'
import type { Worker } from './platform/lifecycle/workers.ts'

/** What works beside the requests, under the server context as they do: nothing, until `npm run add -- job`. */
export function workers(_platform: Platform): Worker[] {
  return []
}
