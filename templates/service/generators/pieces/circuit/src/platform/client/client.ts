import { Readable } from 'node:stream'
import type { z } from 'zod'
import {
  contextName,
  remainingMs,
  withCancel,
  withTimeout,
  withValue,
  type Context,
} from '../../context/context.ts'
import { retry } from '../../context/retry.ts'
import { CallFailed } from './call-failed.ts'
import { attempt } from './attempt.ts'
import { baseOf, orderOf, type Call, type Order } from './order.ts'
import { clientSpan } from './span.ts'
import { headersOf, parseJson, parseText, readBytes } from './answer.ts'
import { retryBudget } from './retry-budget.ts'

/** Another service, and the limits of calls to it. */
export interface ClientOptions {
  /** `http://payments:3000`; a path in it comes before the path of each call. */
  readonly baseUrl: string
  /** Its name in the log. Default: the host of `baseUrl`. */
  readonly name?: string
  /** How long a call may take, in milliseconds, with all attempts and the reading of the answer. Default: as long as ctx. */
  readonly timeoutMs?: number
  /** The largest answer that is read as a whole, in bytes. Default: 1 MiB. */
  readonly maxBytes?: number
  /** How often a call is sent at most. Default: 3. */
  readonly attempts?: number
  /** Decides whether an attempt is sent. `npm run add -- client` stamps one. Default: all are sent. */
  readonly breaker?: Breaker
}

/** Stops calls to a peer that keeps failing. Each client has its own. */
export interface Breaker {
  /**
   * Makes the attempt unless the circuit is open, and counts its result.
   * @param call for errors: `payments: GET /accounts/7`
   * @throws what `attempt` throws; CallFailed with `open` if the attempt was not made
   */
  execute<T>(ctx: Context, call: string, attempt: (ctx: Context) => Promise<T>): Promise<T>
}

/** An answer whose body has not been read. */
export interface Answer {
  readonly status: number
  /** The headers, to be passed on with the body: without those of the connection or of an undone compression. */
  readonly headers: Headers
  /** Fails with the cause of ctx when ctx ends. Read or destroy the body: until then it holds a connection. */
  readonly body: Readable
}

/**
 * Calls another service under a context. When ctx ends, the call ends, and the peer sees its client hang up. A call carries
 * the rest of the deadline, the trace and the request id. Only a 2xx is a success, and a redirect is not followed. `path`
 * begins with a slash; pass each value in it through `encodeURIComponent`.
 *
 * After a failed connection, 429, 502, 503 or 504 the client repeats a call that may be repeated: not before the peer's
 * `Retry-After`, not if ctx's deadline leaves no room, and with at most one retry for ten calls, of which it saves up ten.
 *
 * A call rejects with the cause of ctx if ctx ended it, else with `CallFailed`. If nobody catches a `CallFailed`, our own
 * client gets a 502, 503 or 504.
 */
export interface Client {
  /** Returns the body of the answer, parsed by `schema`. An answer that does not fit is a failure. */
  json<S extends z.ZodType>(ctx: Context, path: string, schema: S, call?: Call): Promise<z.output<S>>
  /** Returns the body of the answer as text. */
  text(ctx: Context, path: string, call?: Call): Promise<string>
  /**
   * Returns the answer as it arrives, to pass on or to stream. Only ctx limits its time, and Node, which gives up after five
   * minutes without a byte. The span ends with the headers.
   */
  fetch(ctx: Context, path: string, call?: Call): Promise<Answer>
}

/** The longest `Retry-After` that a call waits for. */
const longestPauseMs = 10_000

/**
 * Makes the client of one peer. Keep it as long as the service runs: it has its own budget of retries. All clients share the
 * connections of Node's `fetch`.
 * @throws TypeError if `baseUrl` is not an http(s) URL, or holds a password
 */
export function createClient(options: ClientOptions): Client {
  const base = baseOf(options.baseUrl)
  const { name = base.host, maxBytes = 2 ** 20, attempts = 3, breaker } = options
  const budget = retryBudget(0.1, 10)

  /** Sends the call until an attempt succeeds. An attempt includes `read`. */
  async function send<T>(ctx: Context, order: Order, read: (response: Response) => Promise<T>): Promise<T> {
    let sent = 0
    const once = (ctx: Context) =>
      clientSpan(ctx, order, sent++, (ctx, span) => attempt(ctx, span, order, read))
    budget.earn()
    return retry(
      ctx,
      {
        attempts,
        askedPauseMs: (failure) => (failure instanceof CallFailed ? (failure.retryAfterMs ?? 0) : 0),
        retryable: (failure, pauseMs) => mayRepeat(ctx, order, failure, pauseMs) && budget.spend(),
      },
      (ctx) => (breaker === undefined ? once(ctx) : breaker.execute(ctx, order.name, once)),
    )
  }

  /** Sends the call under its time limit and reads the whole answer. */
  async function call<T>(
    parent: Context,
    order: Order,
    timeoutMs: number | undefined,
    parse: (bytes: Buffer) => T,
  ): Promise<T> {
    const ms = Math.min(options.timeoutMs ?? Infinity, timeoutMs ?? Infinity)
    const late = new CallFailed(`${order.name}: no answer within ${ms} ms`, { how: 'timeout' })
    using ctx = withTimeout(withValue(parent, contextName, order.name), ms, late)
    return await send(ctx, order, async (response) => parse(await readBytes(order, response, maxBytes)))
  }

  return {
    async json(ctx, path, schema, sent = {}) {
      const order = orderOf(base, name, path, sent)
      return call(ctx, order, sent.timeoutMs, (bytes) => parseJson(order, schema, bytes))
    },
    async text(ctx, path, sent = {}) {
      const order = orderOf(base, name, path, sent)
      return call(ctx, order, sent.timeoutMs, (bytes) => parseText(order, bytes))
    },
    async fetch(parent, path, sent = {}) {
      const order = orderOf(base, name, path, sent)
      // This context ends with the body, so that a long-lived parent keeps nothing of the call.
      const ctx = withCancel(withValue(parent, contextName, order.name))
      try {
        const { status, headers, body } = await send(ctx, order, async (response) => response)
        const stream = body === null ? Readable.from([]) : Readable.fromWeb(body)
        // The end of ctx also destroys an unread body, and an error event without a listener would end the process.
        stream.on('error', () => undefined).once('close', () => ctx.cancel())
        return { status, headers: headersOf(headers), body: stream }
      } catch (error) {
        ctx.cancel()
        throw error
      }
    },
  }
}

/** Whether another attempt may succeed, and there is time for it. */
function mayRepeat(ctx: Context, order: Order, failure: unknown, pauseMs: number): boolean {
  return (
    order.repeatable &&
    failure instanceof CallFailed &&
    failure.transient &&
    failure.how !== 'open' &&
    pauseMs < Math.min(longestPauseMs, remainingMs(ctx))
  )
}
