import { boundedMap, type Store } from './store.ts'

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
