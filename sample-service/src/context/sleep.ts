import { throwIfEnded, withTimeout, type Context } from './context.ts'
import { ended } from './ended.ts'

/**
 * Resolves after `ms` milliseconds, at least one. When `ctx` ends, it rejects with the cause and leaves no timer.
 * `Infinity` waits for the end of `ctx`.
 * @throws TypeError if `ms` is not a number
 */
export async function sleep(ctx: Context, ms: number): Promise<void> {
  // The timer of a context may be longer than setTimeout's 31 bits. At least one millisecond, so that a loop of sleeps yields.
  using nap = withTimeout(ctx, Math.max(1, ms))
  await ended(nap)
  throwIfEnded(ctx)
}
