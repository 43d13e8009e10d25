import { Readable } from 'node:stream'
import type { z } from 'zod'
import { contextName, withCancel, withTimeout, withValue, type Context } from '../../context/context.ts'
import { retry } from '../../context/retry.ts'
import { CallFailed } from './call-failed.ts'
import { attempt, leftMs } from './attempt.ts'
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
   * Runs the attempt, unless nothing is to be sent now, and learns from what becomes of it.
   * @param call for errors: `payments: GET /accounts/7`
   * @throws what `attempt` throws; CallFailed with `open` if the attempt was not made
   */
  execute<T>(ctx: Context, call: string, attempt: (ctx: Context) => Promise<T>): Promise<T>
}

/** An answer whose body is not read yet. */
export interface Answer {
  readonly status: number
  /** Without those of its connection, and without a compression that has been undone: they can be passed on with the body. */
  readonly headers: Headers
  /** Fails with the cause of ctx when ctx ends. Read or destroy it: until then it holds a connection. */
  readonly body: Readable
}

/**
 * Calls another service under a context. When ctx ends, the call ends, and the peer sees a client that hangs up. What
 * is left of the deadline goes along, as do the trace and the request id. Only a 2xx is a success, and redirects are not
 * followed. `path` begins with a slash; what is put into it has been through `encodeURIComponent`.
 *
 * A call that may be repeated is, after a failed connection, 429, 502, 503 and 504: not before the peer's `Retry-After`,
 * not where ctx's deadline leaves no room, and never more than one retry for ten calls, and ten saved up.
 *
 * All reject with the cause of ctx if that ended them, else with `CallFailed`, which our own client gets as a 502, 503
 * or 504 if nobody catches it.
 */
export interface Client {
  /** The body of the answer, parsed and checked; a peer that answers something else has failed. */
  json<S extends z.ZodType>(ctx: Context, path: string, schema: S, call?: Call): Promise<z.output<S>>
  /** The body of the answer as text. */
  text(ctx: Context, path: string, call?: Call): Promise<string>
  /** The answer as it arrives, to be passed on or too large to be kept. No timeout but ctx's; its span ends with the headers. */
  fetch(ctx: Context, path: string, call?: Call): Promise<Answer>
}

/** The longest `Retry-After` that a call waits for. */
const longestPauseMs = 10_000

/**
 * One for each peer, kept as long as the service runs: the budget of retries is its own. The connections are those of
 * Node's `fetch`.
 * @throws TypeError if `baseUrl` is no http(s) URL, or holds a password
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
        retryable: (failure, pauseMs) =>
          order.repeatable &&
          failure instanceof CallFailed &&
          failure.transient &&
          failure.how !== 'open' &&
          pauseMs < Math.min(longestPauseMs, leftMs(ctx)) &&
          budget.spend(),
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
      // Ended with the body, so that a long-lived parent keeps nothing of the call.
      const ctx = withCancel(withValue(parent, contextName, order.name))
      try {
        const { status, headers, body } = await send(ctx, order, async (response) => response)
        const stream = body === null ? Readable.from([]) : Readable.fromWeb(body)
        // ctx also ends a body that nobody reads, and an error event without a listener would end the process.
        stream.on('error', () => undefined).once('close', () => ctx.cancel())
        return { status, headers: headersOf(headers), body: stream }
      } catch (error) {
        ctx.cancel()
        throw error
      }
    },
  }
}
