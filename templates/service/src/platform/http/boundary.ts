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
import { observersOf } from './observers.ts'
import { refusalOf } from './refusal.ts'
import type { Route } from './route.ts'

/** The limits of a request that its route does not set itself. */
export interface HttpOptions {
  readonly requestTimeoutMs: number
  readonly bodyMaxBytes: number
  /** Keeps requests for the page of contexts; undefined where the page is not offered. */
  readonly recent: RecentRequests | undefined
}

/** Gives each request a context that ends with its response, and an answer. */
export interface Boundary {
  /** The server calls it for each request. */
  readonly fetch: (request: Request, env: NodeEnv) => Response | Promise<Response>
  /** Answers a request that the adapter cannot turn into a Request: its target or its Host is invalid. */
  readonly refuse: (env: NodeEnv, error: Error) => Response
  /** Counts and logs a message that unparsed.ts has answered. Node could not parse it as a request. */
  readonly refused: (info: RequestInfo, problem: Problem) => void
  /** The requests whose answer has not been sent in full, or whose handler is still at work. */
  readonly active: ReadonlySet<Exchange>
  /** From now on every response, also one under way, closes its connection, unless the connection is in `kept`. */
  closeConnections(kept?: ReadonlySet<Socket>): void
  /** Called when a request is no longer under way. */
  onIdle: () => void
}

/** What the adapter passes beside the request. HTTP/2 is not offered, so these are HTTP/1's. */
export interface NodeEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/**
 * Mounts `routes` on Hono. The context of every request descends from `server`, with the route's deadline or the caller's,
 * whichever is sooner; it ends when the client hangs up, and when the response has ended.
 *
 * This wraps `app.fetch` instead of adding a middleware: even an empty middleware costs a small route 10 to 15 %.
 */
export function createBoundary(
  server: Lifetime,
  log: Log,
  routes: readonly Route[],
  options: HttpOptions,
): Boundary {
  const active = new Set<Exchange>()
  const bodies = bodyBudget(options.bodyMaxBytes)
  const observers = observersOf(log, options.recent)
  let kept: ReadonlySet<Socket> | undefined

  const app = new Hono<Env>()
  for (const route of routes) {
    app.on(route.method, route.path, (c) => handle(start(c.env, route), c, route, bodies))
  }
  app.notFound(({ env, req }) => refuse(env, unrouted(app, routes, env.info, req.path)))
  app.onError((error, { env }) => refuse(env, error))

  const boundary: Boundary = {
    fetch(request, env) {
      const exchange = enter(env)
      const refusal = refusalOf(env.incoming)
      return refusal === undefined ? app.fetch(request, exchange) : refuse(exchange, refusal)
    },
    refuse: (env, error) => refuse(enter(env), badRequest(`the request cannot be served: ${error.message}`)),
    refused: (info, problem) => observers.refused(server, info, problem),
    active,
    closeConnections(but = new Set()) {
      kept = but
      for (const { incoming, outgoing } of active) {
        if (!kept.has(incoming.socket)) outgoing.shouldKeepAlive = false
      }
    },
    onIdle() {},
  }
  return boundary

  function enter({ incoming, outgoing }: NodeEnv): Exchange {
    const exchange = new Exchange(incoming, outgoing, finish)
    active.add(exchange)
    if (kept?.has(incoming.socket) === false) outgoing.shouldKeepAlive = false
    outgoing.setHeader('x-request-id', exchange.info.id)
    return exchange
  }

  /** Derives the request's context. `finish` cancels it after `start` has returned, so no `using` can hold it. */
  function start(exchange: Exchange, route: Route | undefined): Context {
    exchange.routed(route)
    const named = withValue(server, requestKey, exchange.info)
    const observed = observers.all.reduce<Context>((ctx, observer) => observer.began(ctx, exchange), named)
    const ctx = withTimeout(observed, timeoutMs(exchange, route, options.requestTimeoutMs))
    exchange.started(ctx)
    return ctx
  }

  function refuse(exchange: Exchange, error: unknown): Response {
    return refused(exchange.ctx ?? start(exchange, undefined), exchange, error)
  }

  /** Called when the response is closed and the handler has settled. */
  function finish(exchange: Exchange): void {
    if (!active.delete(exchange)) return
    const ctx = exchange.ctx ?? start(exchange, undefined)
    const seconds = (performance.now() - exchange.startedAt) / 1_000
    const outcome = exchange.outcome(ctx)
    if (exchange.endedAt !== undefined) unwound(ctx, 'http', exchange.endedAt)
    exchange.ctx?.cancel()
    for (const observer of observers.all) observer.ended(ctx, exchange, outcome, seconds)
    boundary.onIdle()
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
