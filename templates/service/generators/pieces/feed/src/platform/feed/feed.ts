import { throwIfEnded, type Context } from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { until } from '../../context/until.ts'
import type { Log } from '../telemetry/log.ts'

/** One entry of a list that only grows. */
export interface Entry {
  readonly id: string
}

/** A list that only grows, in a table. */
export interface List<T extends Entry> {
  /** At most `pageSize` entries after `id`, in their order. Every later entry comes after those already returned. */
  after(ctx: Context, id: string): Promise<readonly T[]>
  /** The id of the newest entry (if `id` is given, of those up to `id`), or an id before all entries. */
  newest(ctx: Context, id?: string): Promise<string>
}

/** What a reader got, and where it continues. */
export interface Step<T extends Entry> {
  readonly entries: readonly T[]
  readonly id: string
}

/** Reads a list for any number of readers, with one query at a time for all readers at its end. */
export interface Feed<T extends Entry> {
  /** Returns where a reader begins: after `last`, or after all entries if `last` is undefined or newer. */
  begin(ctx: Context, last?: string): Promise<string>
  /** Returns the entries after `id`, or none after a moment. Rejects with the cause of ctx when it ends. */
  next(ctx: Context, id: string): Promise<Step<T>>
}

/** How often the end of the list is read while a reader waits for it. */
const everyMs = 500
/** How long after the last read the entries in memory are dropped. */
const staleMs = 10_000
/** The entries that a query returns at most. */
export const pageSize = 500
/** The entries in memory for readers that are a little behind. A reader that is further behind has its own queries. */
const kept = 1_000

/** Reads `list` while it has readers: a reader that finds nothing new in memory queries for all of them. */
export function feedOf<T extends Entry>(log: Log, list: List<T>): Feed<T> {
  let tail: readonly T[] = []
  /** The ids before the tail and at its end. */
  let [begin, end]: (string | undefined)[] = []
  let readAt = -Infinity
  let reading: Promise<void> | undefined

  return {
    begin: (ctx, last) => list.newest(ctx, last),
    async next(ctx, id) {
      let entries = known(id) ?? (await list.after(ctx, id))
      if (entries.length === 0) {
        await sleep(ctx, everyMs * (0.5 + Math.random() / 2))
        await refresh(ctx)
        entries = known(id) ?? []
      }
      return { entries, id: entries.at(-1)?.id ?? id }
    },
  }

  /** The entries in memory after `id`; undefined if it is not among them. */
  function known(id: string): readonly T[] | undefined {
    if (id === end) return []
    if (id === begin) return tail
    const at = tail.findIndex((entry) => entry.id === id)
    return at === -1 ? undefined : tail.slice(at + 1)
  }

  /** Reads new entries, unless another reader is doing so or just did. Logs a failure; the next reader tries again. */
  async function refresh(ctx: Context): Promise<void> {
    // If the reader that queries leaves, one of those that wait here queries next.
    if (reading !== undefined) return until(ctx, reading)
    const age = performance.now() - readAt
    if (age < everyMs / 2) return
    let done = (): void => undefined
    reading = new Promise((resolve) => (done = resolve))
    try {
      if (end === undefined || age > staleMs) {
        begin = end = await list.newest(ctx)
        tail = []
      }
      const entries = await list.after(ctx, end)
      const all = [...tail, ...entries]
      begin = all.at(-kept - 1)?.id ?? begin
      tail = all.slice(-kept)
      end = tail.at(-1)?.id ?? end
      // After a full page there may be more, so the next reader queries at once.
      if (entries.length < pageSize) readAt = performance.now()
    } catch (err) {
      throwIfEnded(ctx)
      readAt = performance.now()
      log.warn(ctx, 'the events could not be read', { err })
    } finally {
      reading = undefined
      done()
    }
  }
}
