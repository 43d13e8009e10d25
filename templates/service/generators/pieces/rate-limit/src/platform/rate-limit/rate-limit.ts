import { createHash } from 'node:crypto'
import { throwIfEnded, withTimeout, type Context } from '../../context/context.ts'
import { documentedGuard, type Guard } from '../http/guard.ts'
import type { IncomingRequest } from '../http/route.ts'
import type { Platform } from '../platform.ts'
import { Problem } from '../problem.ts'
import { countedFor } from './caller.ts'
import { countChecked } from './metrics.ts'
import { leftOf, type Store, type Taken } from './store.ts'

/** A limit for each caller. Routes with the same limit share it. */
export interface RateLimit {
  /** For headers and metrics: `default`. Letters, digits and hyphens. */
  readonly name: string
  /** How many requests a caller may send at once. As many come back in `seconds`, one after the other. */
  readonly requests: number
  readonly seconds: number
  /** Who a request counts for; undefined: it is not limited. Default: the principal, else the client's address. */
  readonly by?: (ctx: Context, request: IncomingRequest) => string | undefined
  /** How long the store may take, in milliseconds: a slow one must not hold up requests. Default 250. */
  readonly patienceMs?: number
}

/** How long a store that failed is left alone, and how often the log says so. */
const [pauseMs, sayEveryMs] = [1_000, 10_000]

/**
 * Makes the guard that refuses a caller with 429 and `Retry-After` when it has used its quota. Every answer has `RateLimit`
 * and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). If the store fails or is slow, the guard lets requests pass
 * unchecked, and the log and the metric `rate_limit.requests` say so.
 * @throws RangeError for a limit that cannot be
 */
export function rateLimit({ log }: Pick<Platform, 'log'>, store: Store, limit: RateLimit): Guard {
  const { name, requests, seconds, by = countedFor, patienceMs = 250 } = limit
  if (!/^[\w-]+$/.test(name) || !(requests >= 1) || !(seconds > 0))
    throw new RangeError(`the rate limit ${name}: expected a name, at least one request, and some seconds`)
  const policy = `"${name}";q=${requests};w=${seconds}`
  const quota = { windowMs: seconds * 1_000, stepMs: (seconds * 1_000) / requests }
  let [unusedUntil, saidAt] = [-Infinity, -Infinity]

  /** Undefined if the store cannot tell. */
  async function take(parent: Context, key: string): Promise<Taken | undefined> {
    using ctx = withTimeout(parent, patienceMs)
    try {
      return await store.take(ctx, key, quota)
    } catch (err) {
      throwIfEnded(parent)
      const now = performance.now()
      unusedUntil = now + pauseMs
      if (now - saidAt > sayEveryMs) {
        saidAt = now
        log.warn(ctx, 'rate limits are not checked, since their store does not answer', { limit: name, err })
      }
      return undefined
    }
  }

  function decide(ctx: Context, request: IncomingRequest, taken: Taken | undefined): Context {
    countChecked(name, taken === undefined ? 'unchecked' : taken.allowed ? 'allowed' : 'refused')
    if (taken === undefined) return ctx
    const { allowed, fullInMs } = taken
    const left = allowed ? leftOf(quota, fullInMs) : 0
    request.appendHeader('ratelimit-policy', policy)
    request.appendHeader('ratelimit', `"${name}";r=${left};t=${Math.ceil(fullInMs / 1_000)}`)
    if (allowed) return ctx
    const waitS = Math.max(1, Math.ceil((fullInMs + quota.stepMs - quota.windowMs) / 1_000))
    throw new Problem(
      429,
      'Too Many Requests',
      `more than ${requests} requests in ${seconds} s: try again in ${waitS} s`,
      { headers: { 'retry-after': String(waitS) } },
    )
  }

  const documented = {
    responses: { 429: { description: 'Too many requests: `Retry-After` says when to try again' } },
  }
  return documentedGuard(documented, async (ctx, request) => {
    const caller = by(ctx, request)
    if (caller === undefined) return ctx
    if (performance.now() < unusedUntil) return decide(ctx, request, undefined)
    // A hash is short, however long the caller's name. It contains the policy, so a changed quota starts from zero.
    const key = createHash('sha256').update(`${policy} ${caller}`).digest('base64url')
    return decide(ctx, request, await take(ctx, key))
  })
}
