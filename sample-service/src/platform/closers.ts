import { withTimeout, type Context } from '../context/context.ts'
import { until } from '../context/until.ts'
import type { Log } from './log.ts'

/** What has been opened and must be closed, as Go's `defer`: last opened, first closed. */
export interface Closers {
  defer(name: string, close: (ctx: Context) => Promise<void>): void
  /**
   * Closes all, in reverse, within `ms`: each gets an equal share of the time left, so that one that hangs does not
   * take the others' time. What fails or does not end is logged. @returns whether all closed
   */
  close(ctx: Context, ms: number): Promise<boolean>
}

/** Nothing opened yet. */
export function closers(log: Log): Closers {
  const opened: { name: string; close: (ctx: Context) => Promise<void> }[] = []
  return {
    defer(name, close) {
      opened.push({ name, close })
    },
    async close(parent, ms) {
      const endsAt = performance.now() + ms
      let clean = true
      for (let next = opened.pop(); next !== undefined; next = opened.pop()) {
        using ctx = withTimeout(parent, (endsAt - performance.now()) / (opened.length + 1))
        try {
          await until(ctx, next.close(ctx))
        } catch (err) {
          clean = false
          log.error(ctx, `${next.name} did not close`, { err })
        }
      }
      return clean
    },
  }
}
