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

/** Stores how much of their quotas callers have used. */
export interface Store {
  /** Takes one request from the quota of `key`, a hash, if there is one. */
  take(ctx: Context, key: string, quota: Quota): Taken | Promise<Taken>
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
