import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Hono, type Context as HonoContext } from 'hono'
import { withTimeout, withValue, type Context, type Lifetime } from '../../context/context.ts'
import { List } from '../../context/list.ts'
import { badRequest, type Problem } from '../problem.ts'
import { requestKey, type Client, type RequestInfo } from '../request.ts'
import type { Log } from '../telemetry/log.ts'
import type { RecentRequests } from '../telemetry/kept.ts'
import { unwound } from '../telemetry/metrics.ts'
import { callerTimeoutMs } from './deadline.ts'
import { Exchange } from './exchange.ts'
import { clientFinder, noProxies, type ProxyTrust } from './forwarded.ts'
import { fail } from './answer.ts'
import { failBehind } from './behind.ts'
import { handle, handleBehind, type Env } from './handle.ts'
import { bodyBudget } from './input.ts'
import { mount, type App } from './middleware.ts'
import { observersOf, type Observers } from './observers.ts'
import { refusalOf } from './refusal.ts'
import type { Route } from './route.ts'
import { routeOf, unrouted } from './routing.ts'

/** The limits of a request that its route does not set itself. */
export interface HttpOptions {
  readonly requestTimeoutMs: number
  readonly bodyMaxBytes: number
  /** By default the service trusts no proxy. */
  readonly proxies?: ProxyTrust
  /** Keeps requests for the page of contexts; undefined where the page is not offered. */
  readonly recent: RecentRequests | undefined
}

/** What a server answers with. */
export interface Surface {
  readonly routes: readonly Route[]
  /** Mounts what stands in front of the routes. */
  readonly middlewares: (app: App) => void
  /** Headers of every answer that does not set its own, by names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** The requests that a server is answering. */
export interface UnderWay extends Iterable<Exchange> {
  readonly size: number
}

/** What the adapter passes with the request. HTTP/2 is not offered, so these are HTTP/1's. */
export interface NodeEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/**
 * Gives each request an answer, and a context that ends with the response. The context descends from `server`, with the route's
 * deadline or the caller's, whichever is sooner. It also ends when the client hangs up.
 *
 * This wraps `app.fetch` instead of adding a middleware: even an empty middleware costs a small route 10 to 15 %. A request that
 * meets a middleware of the team gets its context before the middleware runs.
 */
export class Boundary {
  // eslint-disable-next-line context/no-context-in-state -- Go's BaseContext: it lives as long as the boundary
  readonly #server: Lifetime
  readonly #requestTimeoutMs: number
  readonly #observers: Observers
  readonly #app = new Hono<Env>()
  readonly #findClient: (incoming: IncomingMessage) => Client
  readonly #headers: Readonly<Record<string, string>>
  readonly #active = new List<Exchange>()
  #kept: ReadonlySet<Socket> | undefined
  /** Called when a request is no longer under way. */
  onIdle: () => void = () => undefined

  /** Mounts on Hono what `middlewares` mounts, and `routes` behind it. */
  constructor(server: Lifetime, log: Log, { routes, middlewares, headers }: Surface, options: HttpOptions) {
    this.#server = server
    this.#requestTimeoutMs = options.requestTimeoutMs
    this.#findClient = clientFinder(options.proxies ?? noProxies)
    this.#headers = headers
    this.#observers = observersOf(log, options.recent)
    const app = this.#app
    const mounted = new Hono<Env>()
    middlewares(mounted)
    const byHandler = new Map<unknown, Route>()
    mount(app, mounted, (c) => this.#start(c.env, routeOf(c, byHandler)))
    const bodies = bodyBudget(options.bodyMaxBytes)
    for (const route of routes) {
      const handler = (c: HonoContext<Env>) =>
        c.env.ctx === undefined
          ? handle(this.#start(c.env, route), c, route, bodies)
          : handleBehind(c, route, bodies)
      byHandler.set(handler, route)
      app.on(route.method, route.path, handler)
    }
    app.notFound((c) => this.#answerUnrouted(c, unrouted(app, c.env.info, c.req.path)))
    app.onError((error, c) => this.#answerUnrouted(c, error))
  }

  /** The requests whose answer has not been sent in full, or whose handler is still at work. */
  get active(): UnderWay {
    return this.#active
  }

  /** The server calls it for each request. */
  fetch(request: Request, env: NodeEnv): Response | Promise<Response> {
    const exchange = this.#enter(env)
    const { socket, headers } = env.incoming
    // If Node cannot parse the body, refusal.ts ends the context of its request, which must exist by then.
    const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    return socket.bytesWritten === 0 && !hasBody
      ? this.#serveFirst(request, exchange)
      : this.#serve(request, exchange)
  }

  /**
   * Serves the first request of a connection after Node has looked at its sockets once more. Under load, a client may leave
   * before Node accepts its connection. Node then reads the request first, and only afterwards that the client has left.
   */
  async #serveFirst(request: Request, exchange: Exchange): Promise<Response> {
    exchange.entered()
    try {
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      return await this.#serve(request, exchange)
    } finally {
      exchange.settled()
    }
  }

  #serve(request: Request, exchange: Exchange): Response | Promise<Response> {
    const refusal = refusalOf(exchange.incoming)
    return refusal === undefined ? this.#app.fetch(request, exchange) : this.#answerRefusal(exchange, refusal)
  }

  /** Answers a request that the adapter cannot turn into a Request: its target or its Host is invalid. */
  refuse(env: NodeEnv, error: Error): Response {
    return this.#answerRefusal(this.#enter(env), badRequest(`the request cannot be served: ${error.message}`))
  }

  /** Counts and logs a message that refusal.ts has answered. Node could not parse it as a request. */
  refused(info: RequestInfo, problem: Problem): void {
    this.#observers.refused(this.#server, info, problem)
  }

  /** From now on every response, even one under way, closes its connection, unless the connection is in `kept`. */
  closeConnections(kept: ReadonlySet<Socket> = new Set()): void {
    this.#kept = kept
    for (const { incoming, outgoing } of this.#active) {
      if (!kept.has(incoming.socket)) outgoing.shouldKeepAlive = false
    }
  }

  #enter(env: NodeEnv): Exchange {
    const { incoming, outgoing } = env
    const exchange = new Exchange(env, this.#findClient(incoming), this.#headers, this.#onEnd)
    this.#active.add(exchange)
    if (this.#kept?.has(incoming.socket) === false) outgoing.shouldKeepAlive = false
    return exchange
  }

  /** Derives the request's context. `#onEnd` cancels it after `#start` has returned, so no `using` can hold it. */
  #start(exchange: Exchange, route: Route | undefined): Context {
    exchange.routed(route)
    const named = withValue(this.#server, requestKey, exchange.info)
    let observed = named
    for (const observer of this.#observers.all) observed = observer.began(observed, exchange)
    const ctx = withTimeout(observed, timeoutMs(exchange, route, this.#requestTimeoutMs))
    exchange.started(ctx)
    return ctx
  }

  #answerUnrouted(c: HonoContext<Env>, error: unknown): Response {
    const { ctx } = c.env
    return ctx === undefined ? this.#answerRefusal(c.env, error) : failBehind(ctx, c, error)
  }

  #answerRefusal(exchange: Exchange, error: unknown): Response {
    const response = fail(exchange.ctx ?? this.#start(exchange, undefined), exchange, error)
    exchange.settled()
    return response
  }

  /** Called when the response is closed and the handler has settled. */
  readonly #onEnd = (exchange: Exchange): void => {
    if (!this.#active.delete(exchange)) return
    const ctx = exchange.ctx ?? this.#start(exchange, undefined)
    const seconds = (performance.now() - exchange.startedAt) / 1_000
    const outcome = exchange.outcome(ctx)
    if (exchange.cutShortAt !== undefined) unwound(ctx, 'http', exchange.cutShortAt)
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
