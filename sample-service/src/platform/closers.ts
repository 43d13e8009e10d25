import { withTimeout, type Context } from '../context/context.ts'
import { until } from '../context/until.ts'
import type { Log } from './log.ts'

/** Milliseconds that each of several things took, in their order. */
export type Durations = Readonly<Record<string, number>>

/** What has been opened and must be closed, as Go's `defer`: last opened, first closed. */
export interface Closers {
  /** Waits for what opens it, and notes in `openMs` how long that took, or how long it took to fail. */
  time<T>(name: string, opening: Promise<T>): Promise<T>
  defer(name: string, close: (ctx: Context) => Promise<void>): void
  /**
   * Closes all, in reverse, within `ms`: each gets an equal share of the time left, so that one that hangs does not
   * take the others' time. What fails or does not end is logged. @returns whether all closed
   */
  close(ctx: Context, ms: number): Promise<boolean>
  readonly openMs: Durations
  readonly closeMs: Durations
}

/** Nothing opened yet. */
export function closers(log: Log): Closers {
  const opened: { name: string; close: (ctx: Context) => Promise<void> }[] = []
  const openMs: Record<string, number> = {}
  const closeMs: Record<string, number> = {}
  return {
    async time(name, opening) {
      const startedAt = performance.now()
      try {
        return await opening
      } finally {
        openMs[name] = msSince(startedAt)
      }
    },
    defer(name, close) {
      opened.push({ name, close })
    },
    async close(parent, ms) {
      const endsAt = performance.now() + ms
      let clean = true
      for (let next = opened.pop(); next !== undefined; next = opened.pop()) {
        const startedAt = performance.now()
        using ctx = withTimeout(parent, (endsAt - startedAt) / (opened.length + 1))
        try {
          await until(ctx, next.close(ctx))
        } catch (err) {
          clean = false
          log.error(ctx, `${next.name} did not close`, { err })
        }
        closeMs[next.name] = msSince(startedAt)
      }
      return clean
    },
    openMs,
    closeMs,
  }
}

/** Milliseconds since `startedAt` (of performance.now()), whole: for the log. */
export function msSince(startedAt: number): number {
  return Math.round(performance.now() - startedAt)
}
