import { withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { ProcessLog } from '../telemetry/log.ts'
import { failSpan, phase, spanOf } from '../telemetry/span.ts'

/** Milliseconds that each of several things took, in their order. */
export type Durations = Readonly<Record<string, number>>

/** What has been opened and must be closed, like Go's `defer`: last opened, first closed. */
export interface Closers {
  /** Calls `open` in a span named `name` below the span of ctx, and notes in `openMs` how long it took, also to fail. */
  time<T>(ctx: Context, name: string, open: (ctx: Context) => Promise<T>): Promise<T>
  /** @param options.exportsTraces ends the span that all are closed under before this closes, which exports it */
  defer(
    name: string,
    close: (ctx: Context) => Promise<void>,
    options?: { readonly exportsTraces: boolean },
  ): void
  /**
   * Closes all in reverse, each in a span below the span of ctx, and writes out the log, within `ms`. Each gets an equal share
   * of the time left, so that one that hangs does not take the others' time. A failure is logged and fails both spans.
   * @param lastLine writes the last line of the log; it gets how long each took to close
   * @returns whether all closed
   */
  close(ctx: Context, ms: number, lastLine?: (closeMs: Durations) => void): Promise<boolean>
  readonly openMs: Durations
}

/** Nothing opened yet. */
export function closers(log: ProcessLog): Closers {
  const opened: { name: string; close: (ctx: Context) => Promise<void>; exportsTraces: boolean }[] = []
  const openMs: Record<string, number> = {}
  return {
    async time(ctx, name, open) {
      const startedAt = performance.now()
      try {
        return await phase(ctx, name, open)
      } finally {
        openMs[name] = msSince(startedAt)
      }
    },
    defer(name, close, { exportsTraces } = { exportsTraces: false }) {
      opened.push({ name, close, exportsTraces })
    },
    async close(parent, ms, lastLine) {
      const endsAt = performance.now() + ms
      const closeMs: Record<string, number> = {}
      let clean = true
      for (let next = opened.pop(); next !== undefined; next = opened.pop()) {
        const startedAt = performance.now()
        using ctx = withTimeout(parent, (endsAt - startedAt) / (opened.length + 2))
        try {
          if (next.exportsTraces) {
            spanOf(ctx)?.end()
            await until(ctx, next.close(ctx))
          } else {
            await phase(ctx, next.name, (ctx) => until(ctx, next.close(ctx)))
          }
        } catch (err) {
          clean = false
          failSpan(ctx, err)
          log.error(ctx, `${next.name} did not close`, { err })
        }
        closeMs[next.name] = msSince(startedAt)
      }
      lastLine?.(closeMs)
      using flushing = withTimeout(parent, endsAt - performance.now())
      await log.flush(flushing)
      return clean
    },
    openMs,
  }
}

/** Milliseconds since `startedAt` (of performance.now()), whole: for the log. */
export function msSince(startedAt: number): number {
  return Math.round(performance.now() - startedAt)
}
