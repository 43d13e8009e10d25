import type { Context } from './context/context.ts'
import type { Platform } from './platform/platform.ts'
import { sweepDocuments } from './documents/documents.uploads.ts'

/** Runs once, after the database has answered and before the service listens. Ends with ctx. */
export async function prepare(ctx: Context, platform: Platform): Promise<void> {
  platform.log.debug(ctx, 'preparing')
  await sweepDocuments(ctx, platform)
}
