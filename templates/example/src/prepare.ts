import type { Context } from './context/context.ts'
import type { Platform } from './platform/platform.ts'
import { sweepWidgets } from './widgets/widgets.uploads.ts'

/** Runs once, after the database has answered and before the service listens. Ends with ctx. */
export async function prepare(ctx: Context, platform: Platform): Promise<void> {
  platform.log.debug(ctx, 'preparing')
  await sweepWidgets(ctx, platform)
}
