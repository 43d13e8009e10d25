import type { Context } from '../../context/context.ts'

/** A quota that refills steadily (GCRA): a caller may use all of it at once, then one request every `stepMs`. */
export interface Quota {
  /** How long an empty quota takes to be full. */
  readonly windowMs: number
  readonly stepMs: number
}

/** What became of a request. */
export interface Taken {
  readonly allowed: boolean
  /** How long until the quota is full. */
  readonly fullInMs: number
}

/** How many requests are left of a quota that is full in `fullInMs`. 1e-6: a step that no double holds exactly must not cost one. */
export function leftOf({ windowMs, stepMs }: Quota, fullInMs: number): number {
  return Math.max(Math.floor((windowMs - fullInMs) / stepMs + 1e-6), 0)
}

/** Keeps what callers have used. */
export interface Store {
  /** Takes one request from the quota of `key`, a hash, if there is one. */
  take(ctx: Context, key: string, quota: Quota): Taken | Promise<Taken>
}

/** A map of at most `most` entries: a new one takes the place of the one that was longest not set. */
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
