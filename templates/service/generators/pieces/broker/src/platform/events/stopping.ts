import { throwIfEnded, withTimeout, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'

/** Whether a worker is to take up nothing new. That ends no context: what is under way goes on. */
export interface Stopping {
  readonly now: boolean
  /** Calls `fn` when the worker is to stop, or at once. */
  on(fn: () => void): void
  off(fn: () => void): void
  /** Waits for `ms` milliseconds, or until the worker is to stop. @throws the cause of ctx */
  pause(ctx: Context, ms: number): Promise<void>
  stop(): void
}

/** Not yet. */
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
