import { throwIfEnded, withTimeout, type Context } from './context.ts'
import { ended } from './ended.ts'

/**
 * Resolves after `ms` milliseconds, of which there is at least one; rejects with the cause of `ctx` as soon as it
 * ends. Leaves no timer behind. `Infinity` waits for the end of `ctx`.
 * @throws TypeError if `ms` is not a number
 */
export async function sleep(ctx: Context, ms: number): Promise<void> {
  // A context's timer goes beyond the 31 bits of setTimeout's. One millisecond, so that a loop of sleeps yields.
  using nap = withTimeout(ctx, Math.max(1, ms))
  await ended(nap)
  throwIfEnded(ctx)
}
