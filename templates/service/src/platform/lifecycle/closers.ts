import { withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { ProcessLog } from '../telemetry/log.ts'
import { failSpan, phase, spanOf } from '../telemetry/span.ts'

/** Milliseconds that each of several things took, in their order. */
export type Durations = Readonly<Record<string, number>>

/** What has been opened and must be closed, like Go's `defer`: last opened, first closed. */
export class Closers {
  readonly #openMs: Record<string, number> = {}
  readonly #log: ProcessLog
  readonly #opened: { name: string; close: (ctx: Context) => Promise<void>; exportsTraces: boolean }[] = []

  constructor(log: ProcessLog) {
    this.#log = log
  }

  /** How long each took to open. */
  get openMs(): Durations {
    return this.#openMs
  }

  /** Calls `open` in a span named `name` below the span of ctx. Notes in `openMs` how long it took, even if it fails. */
  async time<T>(ctx: Context, name: string, open: (ctx: Context) => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    try {
      return await phase(ctx, name, open)
    } finally {
      this.#openMs[name] = msSince(startedAt)
    }
  }

  /** @param options.exportsTraces whether `close` exports traces, so that the span of the whole stop must end before it */
  defer(name: string, close: (ctx: Context) => Promise<void>, { exportsTraces = false } = {}): void {
    this.#opened.push({ name, close, exportsTraces })
  }

  /**
   * Closes everything in reverse order, each in a span below the span of ctx, then writes out the log, all within `ms`. Each
   * gets an equal share of the time left, so that one that hangs takes no time from the others. It logs a failure, which fails
   * both spans.
   * @param lastLine writes the last line of the log; it gets how long each took to close
   * @returns whether all closed
   */
  async close(parent: Context, ms: number, lastLine?: (closeMs: Durations) => void): Promise<boolean> {
    const endsAt = performance.now() + ms
    const closeMs: Record<string, number> = {}
    let clean = true
    for (let next = this.#opened.pop(); next !== undefined; next = this.#opened.pop()) {
      const { name, close, exportsTraces } = next
      const startedAt = performance.now()
      using ctx = withTimeout(parent, (endsAt - startedAt) / (this.#opened.length + 2))
      try {
        if (exportsTraces) {
          spanOf(ctx)?.end()
          await until(ctx, close(ctx))
        } else {
          await phase(ctx, name, (ctx) => until(ctx, close(ctx)))
        }
      } catch (err) {
        clean = false
        failSpan(ctx, err)
        this.#log.error(ctx, `${name} did not close`, { err })
      }
      closeMs[name] = msSince(startedAt)
    }
    lastLine?.(closeMs)
    using flushing = withTimeout(parent, endsAt - performance.now())
    await this.#log.flush(flushing)
    return clean
  }
}

/** Milliseconds since `startedAt` (of performance.now()), whole: for the log. */
export function msSince(startedAt: number): number {
  return Math.round(performance.now() - startedAt)
}
