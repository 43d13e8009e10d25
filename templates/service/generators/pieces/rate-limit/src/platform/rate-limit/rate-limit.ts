import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { throwIfEnded, withTimeout, type Context } from '../../context/context.ts'
import { documentedGuard, type Guard } from '../http/guard.ts'
import type { IncomingRequest } from '../http/route.ts'
import type { Platform } from '../platform.ts'
import { Problem } from '../problem.ts'
import { requestOf } from '../request.ts'
import { meter, oncePerProvider } from '../telemetry/metrics.ts'
import { leftOf, type Store, type Taken } from './store.ts'

/** A limit for each caller. Routes with the same limit share it. */
export interface RateLimit {
  /** For headers and metrics: `default`. Letters, digits and hyphens. */
  readonly name: string
  /** How many requests a caller may send at once. The quota refills evenly in `seconds`. */
  readonly requests: number
  readonly seconds: number
  /** The caller for whom a request counts; undefined if it is not limited. Default: the principal, else the client's address. */
  readonly by?: (ctx: Context, request: IncomingRequest) => string | undefined
  /**
   * How long a statement of the store may take, in milliseconds, so that a slow store does not delay requests. A request may wait
   * for four: two before its own, and two if a burst is more than what is left of a quota. Default 250.
   */
  readonly patienceMs?: number
}

/** Postgres counts in microseconds. */
const mostASecond = 1_000_000
/** How long the guard does not use a store that failed, and how often it logs that. */
const [pauseMs, sayEveryMs] = [1_000, 10_000]

/**
 * Makes the guard that refuses a caller with 429 and `Retry-After` when it has used its quota. Every answer has `RateLimit` and
 * `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). If the store fails or is slow, the guard lets requests pass
 * unchecked, and the log and the metric `rate_limit.requests` say so.
 * @throws RangeError for an invalid limit
 */
export function rateLimit({ log }: Pick<Platform, 'log'>, store: Store, limit: RateLimit): Guard {
  const { name, requests, seconds, by = countedFor, patienceMs = 250 } = limit
  const inTime = seconds > 0 && seconds < Infinity && requests / seconds <= mostASecond
  if (!/^[\w-]+$/.test(name) || !Number.isInteger(requests) || requests < 1 || !inTime) {
    throw new RangeError(
      `the rate limit ${name}: expected a name, a whole number of requests, and seconds, at most ${mostASecond} requests a second`,
    )
  }
  const policy = `"${name}";q=${requests};w=${seconds}`
  const quota = { windowMs: seconds * 1_000, stepMs: (seconds * 1_000) / requests }
  let [unusedUntil, saidAt] = [-Infinity, -Infinity]

  /** Undefined if the store fails. */
  async function take(parent: Context, key: string): Promise<Taken | undefined> {
    using ctx = withTimeout(parent, 4 * patienceMs)
    try {
      return await store.take(ctx, key, quota, patienceMs)
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
    responses: { 429: { description: 'Too many requests: `Retry-After` has the time to wait' } },
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

const checked = oncePerProvider(() =>
  meter().createCounter('rate_limit.requests', {
    description: 'Requests that a rate limit has checked.',
    unit: '{request}',
  }),
)

/** Counts a request that a limit has let pass, refused, or could not check. */
function countChecked(limit: string, outcome: 'allowed' | 'refused' | 'unchecked'): void {
  checked().add(1, { 'rate_limit.name': limit, 'rate_limit.outcome': outcome })
}

/**
 * The caller for whom a request counts: the principal if a guard has set one, else the client's address, as TRUSTED_PROXIES
 * determines it. Undefined if there is neither, as on a Unix socket.
 */
function countedFor(ctx: Context): string | undefined {
  const { principal, client } = requestOf(ctx) ?? {}
  if (principal !== undefined) return `principal ${principal}`
  const address = client?.address
  return address === undefined ? undefined : `address ${networkOf(address)}`
}

/** The address, or for IPv6 its first 64 bits, because one client has all addresses that begin with them. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [head = '', tail] = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname
    .slice(1, -1)
    .split('::')
  const groups = head.split(':').filter((group) => group !== '')
  // The shortest form writes a run of zeros as `::`.
  const zeros =
    tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter((group) => group !== '').length
  const all = [...groups, ...Array<string>(zeros).fill('0'), ...(tail?.split(':') ?? [])]
  return `${all.slice(0, 4).join(':')}::/64`
}
