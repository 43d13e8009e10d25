import { setMaxListeners } from 'node:events'
import { throwIfEnded, withSignal, withTimeout, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'

/** Aborts when a worker is to take up nothing new. That ends no context: what is under way goes on. */
export function notStopping(): AbortController {
  const stopping = new AbortController()
  // Each loop of the worker listens.
  setMaxListeners(0, stopping.signal)
  return stopping
}

/** Waits for `ms` milliseconds, or until the worker is to stop. @throws the cause of ctx */
export async function pause(parent: Context, stopping: AbortSignal, ms: number): Promise<void> {
  using timed = withTimeout(parent, ms)
  using ctx = withSignal(timed, stopping)
  await ended(ctx)
  throwIfEnded(parent)
}

/** The pause after a first failure; it doubles with each, and is drawn from its second half, so that instances do not return together. */
const firstPauseMs = 100
const maxPauseMs = 5_000
/** Work that lasted this long before it failed did not fail at once: the pauses begin anew. */
const calmMs = 30_000

/**
 * Calls `work` until the worker is to stop, again after a pause when it returns or throws.
 * @param onFailure gets what `work` threw, and how often it has thrown without a calm time in between
 * @throws the cause of ctx
 */
export async function keepTrying(
  ctx: Context,
  stopping: AbortSignal,
  onFailure: (err: unknown, failures: number) => void,
  work: (ctx: Context) => Promise<void>,
): Promise<void> {
  let failures = 0
  while (!isStopping(stopping)) {
    const startedAt = performance.now()
    try {
      await work(ctx)
      failures = 0
    } catch (err) {
      throwIfEnded(ctx)
      failures = performance.now() - startedAt > calmMs ? 1 : failures + 1
      if (!isStopping(stopping)) onFailure(err, failures)
    }
    const longestMs = Math.min(firstPauseMs * 2 ** Math.max(failures - 1, 0), maxPauseMs)
    await pause(ctx, stopping, longestMs * (0.5 + Math.random() / 2))
  }
}

/** Asked in a function, since it changes meanwhile. */
function isStopping({ aborted }: AbortSignal): boolean {
  return aborted
}
