import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Hono } from 'hono'
import { withTimeout, withValue, type Context, type Lifetime } from '../../context/context.ts'
import { badRequest, methodNotAllowed, notFound, type Problem } from '../problem.ts'
import { requestKey, type RequestInfo } from '../request.ts'
import type { Log } from '../telemetry/log.ts'
import type { RecentRequests } from '../telemetry/kept.ts'
import { unwound } from '../telemetry/metrics.ts'
import { callerTimeoutMs } from './deadline.ts'
import { Exchange } from './exchange.ts'
import { handle, refused, type Env } from './handle.ts'
import { bodyBudget } from './input.ts'
import { observersOf, type Observers } from './observers.ts'
import { refusalOf } from './refusal.ts'
import type { Route } from './route.ts'

/** The limits of a request that its route does not set itself. */
export interface HttpOptions {
  readonly requestTimeoutMs: number
  readonly bodyMaxBytes: number
  /** Keeps requests for the page of contexts; undefined where the page is not offered. */
  readonly recent: RecentRequests | undefined
}

/** What the adapter passes beside the request. HTTP/2 is not offered, so these are HTTP/1's. */
export interface NodeEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/**
 * Gives each request a context that ends with its response, and an answer. The context descends from `server`, with the route's
 * deadline or the caller's, whichever is sooner; it ends when the client hangs up, and when the response has ended.
 *
 * This wraps `app.fetch` instead of adding a middleware: even an empty middleware costs a small route 10 to 15 %.
 */
export class Boundary {
  // eslint-disable-next-line context/no-context-in-state -- Go's BaseContext: it lives as long as the boundary
  readonly #server: Lifetime
  readonly #requestTimeoutMs: number
  readonly #observers: Observers
  readonly #app = new Hono<Env>()
  readonly #active = new Set<Exchange>()
  #kept: ReadonlySet<Socket> | undefined
  /** Called when a request is no longer under way. */
  onIdle: () => void = () => undefined

  /** Mounts `routes` on Hono. */
  constructor(server: Lifetime, log: Log, routes: readonly Route[], options: HttpOptions) {
    this.#server = server
    this.#requestTimeoutMs = options.requestTimeoutMs
    this.#observers = observersOf(log, options.recent)
    const bodies = bodyBudget(options.bodyMaxBytes)
    for (const route of routes) {
      this.#app.on(route.method, route.path, (c) => handle(this.#start(c.env, route), c, route, bodies))
    }
    this.#app.notFound(({ env, req }) => {
      return this.#answerRefusal(env, unrouted(this.#app, routes, env.info, req.path))
    })
    this.#app.onError((error, { env }) => this.#answerRefusal(env, error))
  }

  /** The requests whose answer has not been sent in full, or whose handler is still at work. */
  get active(): ReadonlySet<Exchange> {
    return this.#active
  }

  /** The server calls it for each request. */
  fetch(request: Request, env: NodeEnv): Response | Promise<Response> {
    const exchange = this.#enter(env)
    const refusal = refusalOf(env.incoming)
    return refusal === undefined ? this.#app.fetch(request, exchange) : this.#answerRefusal(exchange, refusal)
  }

  /** Answers a request that the adapter cannot turn into a Request: its target or its Host is invalid. */
  refuse(env: NodeEnv, error: Error): Response {
    return this.#answerRefusal(this.#enter(env), badRequest(`the request cannot be served: ${error.message}`))
  }

  /** Counts and logs a message that unparsed.ts has answered. Node could not parse it as a request. */
  refused(info: RequestInfo, problem: Problem): void {
    this.#observers.refused(this.#server, info, problem)
  }

  /** From now on every response, also one under way, closes its connection, unless the connection is in `kept`. */
  closeConnections(kept: ReadonlySet<Socket> = new Set()): void {
    this.#kept = kept
    for (const { incoming, outgoing } of this.#active) {
      if (!kept.has(incoming.socket)) outgoing.shouldKeepAlive = false
    }
  }

  #enter({ incoming, outgoing }: NodeEnv): Exchange {
    const exchange = new Exchange(incoming, outgoing, (exchange) => this.#finish(exchange))
    this.#active.add(exchange)
    if (this.#kept?.has(incoming.socket) === false) outgoing.shouldKeepAlive = false
    outgoing.setHeader('x-request-id', exchange.info.id)
    return exchange
  }

  /** Derives the request's context. `#finish` cancels it after `#start` has returned, so no `using` can hold it. */
  #start(exchange: Exchange, route: Route | undefined): Context {
    exchange.routed(route)
    const named = withValue(this.#server, requestKey, exchange.info)
    const observed = this.#observers.all.reduce<Context>(
      (ctx, observer) => observer.began(ctx, exchange),
      named,
    )
    const ctx = withTimeout(observed, timeoutMs(exchange, route, this.#requestTimeoutMs))
    exchange.started(ctx)
    return ctx
  }

  #answerRefusal(exchange: Exchange, error: unknown): Response {
    return refused(exchange.ctx ?? this.#start(exchange, undefined), exchange, error)
  }

  /** Called when the response is closed and the handler has settled. */
  #finish(exchange: Exchange): void {
    if (!this.#active.delete(exchange)) return
    const ctx = exchange.ctx ?? this.#start(exchange, undefined)
    const seconds = (performance.now() - exchange.startedAt) / 1_000
    const outcome = exchange.outcome(ctx)
    if (exchange.endedAt !== undefined) unwound(ctx, 'http', exchange.endedAt)
    exchange.ctx?.cancel()
    for (const observer of this.#observers.all) observer.ended(ctx, exchange, outcome, seconds)
    this.onIdle()
  }
}

function timeoutMs({ incoming }: Exchange, route: Route | undefined, defaultMs: number): number {
  const ownMs = route?.timeoutMs ?? defaultMs
  const callerMs = callerTimeoutMs(incoming.headers)
  return callerMs === undefined ? ownMs : Math.min(ownMs, callerMs)
}

/** 405 if the path answers other methods; HEAD is answered where GET is (RFC 9110, 9.1). */
function unrouted(
  app: Hono<Env>,
  routes: readonly Route[],
  { method, path }: RequestInfo,
  requested: string,
): Problem {
  const methods = new Set(routes.map((route) => route.method))
  const allowed = Array.from(methods).filter((one) => app.router.match(one, requested)[0].length > 0)
  const nothing = `nothing answers ${method} ${path}`
  if (allowed.length === 0) return notFound(nothing)
  const all = allowed.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]))
  return methodNotAllowed(`${nothing}: it answers ${all.join(', ')}`, all)
}
