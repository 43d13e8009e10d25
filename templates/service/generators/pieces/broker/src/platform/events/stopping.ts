import { throwIfEnded, withTimeout, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'

/** Tells a worker to start no new work. It ends no context, so running work continues. */
export interface Stopping {
  readonly now: boolean
  /** Calls `fn` when the worker is to stop, or at once. */
  on(fn: () => void): void
  off(fn: () => void): void
  /** Waits for `ms` milliseconds, or until the worker is to stop. @throws the cause of ctx */
  pause(ctx: Context, ms: number): Promise<void>
  stop(): void
}

/** Returns a Stopping that has not been stopped. */
export function notStopping(): Stopping {
  const waiting = new Set<() => void>()
  let now = false
  function on(fn: () => void): void {
    if (now) fn()
    else waiting.add(fn)
  }
  const off = (fn: () => void): void => void waiting.delete(fn)
  return {
    get now() {
      return now
    },
    on,
    off,
    async pause(parent, ms) {
      using ctx = withTimeout(parent, ms)
      const end = (): void => ctx.cancel()
      on(end)
      try {
        await ended(ctx)
      } finally {
        off(end)
      }
      throwIfEnded(parent)
    },
    stop() {
      now = true
      for (const fn of waiting) fn()
      waiting.clear()
    },
  }
}

/** The longest pause after the first failure. It doubles each time, and the real one is random, so that instances spread out. */
const firstPauseMs = 100
const maxPauseMs = 5_000
/** If work lasted this long before it failed, the pauses start with the shortest again. */
const calmMs = 30_000

/**
 * Calls `work` until the worker is to stop, again after a pause when it returns or throws.
 * @param onFailure gets the error of `work`, and the number of failures in a row
 * @throws the cause of ctx
 */
export async function keepTrying(
  ctx: Context,
  stopping: Stopping,
  onFailure: (err: unknown, failures: number) => void,
  work: (ctx: Context) => Promise<void>,
): Promise<void> {
  let failures = 0
  while (!stopping.now) {
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
    await stopping.pause(ctx, longestMs * (0.5 + Math.random() / 2))
  }
}

/** A function, because TypeScript assumes that `stopping.now` is still false after the loop has tested it. */
function isStopping({ now }: Stopping): boolean {
  return now
}
