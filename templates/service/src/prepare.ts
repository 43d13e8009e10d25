import type { Context } from './context/context.ts'
import type { Platform } from './platform/platform.ts'

/** What must be done once, after the database answers and before the service listens. Ends with ctx. */
export async function prepare(_ctx: Context, _platform: Platform): Promise<void> {}
