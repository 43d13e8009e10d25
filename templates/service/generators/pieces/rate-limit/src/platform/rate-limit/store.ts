import type { Context } from '../../context/context.ts'

/** A quota that refills steadily (GCRA): a caller may use all of it at once, then one request every `stepMs`. */
export interface Quota {
  /** How long an empty quota takes to refill. */
  readonly windowMs: number
  readonly stepMs: number
}

/** The result for one request. */
export interface Taken {
  readonly allowed: boolean
  /** How long until the quota is full. */
  readonly fullInMs: number
}

/**
 * Returns how many requests are left of a quota that is full in `fullInMs`. 1e-6, because a rounding error of the
 * step must not cost a request.
 */
export function leftOf({ windowMs, stepMs }: Quota, fullInMs: number): number {
  return Math.max(Math.floor((windowMs - fullInMs) / stepMs + 1e-6), 0)
}

/** Stores how much of their quotas callers have used. */
export interface Store {
  /**
   * Takes one request from the quota of `key`, a hash, if there is one.
   * @param patienceMs how long a statement of the store may take
   */
  take(ctx: Context, key: string, quota: Quota, patienceMs: number): Taken | Promise<Taken>
}

/** A map of at most `most` entries. A new entry replaces the one that was set least recently. */
export function boundedMap<V>(most: number) {
  const entries = new Map<string, V>()
  return {
    get: (key: string): V | undefined => entries.get(key),
    set(key: string, value: V): void {
      entries.delete(key)
      entries.set(key, value)
      const [oldest] = entries.size > most ? entries.keys() : []
      if (oldest !== undefined) entries.delete(oldest)
    },
  }
}

/** The most callers that are remembered, which takes about 10 MB. */
const most = 100_000

/** Keeps quotas in this process: right for one instance; with several, each allows the whole quota. */
export function memoryStore(): Store {
  /** When each quota is full, in milliseconds of performance.now(). */
  const fullAt = boundedMap<number>(most)
  return {
    take(_ctx, key, { windowMs, stepMs }) {
      const now = performance.now()
      const fullInMs = Math.max((fullAt.get(key) ?? 0) - now, 0)
      if (fullInMs + stepMs > windowMs) return { allowed: false, fullInMs }
      fullAt.set(key, now + fullInMs + stepMs)
      return { allowed: true, fullInMs: fullInMs + stepMs }
    },
  }
}
