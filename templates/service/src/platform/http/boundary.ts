import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Hono, type Context as HonoContext } from 'hono'
import { withTimeout, withValue, type Context, type Lifetime } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { badRequest, methodNotAllowed, notFound, type Problem } from '../problem.ts'
import { requestKey, type RequestInfo } from '../request.ts'
import type { Log } from '../telemetry/log.ts'
import type { RecentRequests } from '../telemetry/recent.ts'
import { unwound } from '../telemetry/metrics.ts'
import { answer, fail, recordFailure } from './answer.ts'
import { release } from './answer-body.ts'
import { callerTimeoutMs } from './deadline.ts'
import { Exchange } from './exchange.ts'
import { parseInput, queryOf, readJson } from './input.ts'
import { observersOf } from './observers.ts'
import { refusalOf } from './refusal.ts'
import type { Route, StreamedResponse } from './route.ts'

/** The limits of a request that its route does not set itself. */
export interface HttpOptions {
  readonly requestTimeoutMs: number
  readonly bodyMaxBytes: number
  /** Where requests are remembered; undefined where nobody looks. */
  readonly recent: RecentRequests | undefined
}

/** Where HTTP meets the service: each request gets a context that ends with its response, and an answer. */
export interface Boundary {
  /** What the server calls for each request. */
  readonly fetch: (request: Request, env: NodeEnv) => Response | Promise<Response>
  /** Answers a request that the adapter makes no Request of: its target or its Host is none. */
  readonly refuse: (env: NodeEnv, error: Error) => Response
  /** Counts and logs what was refused before it was a request: unparsed.ts has answered it. */
  readonly refused: (info: RequestInfo, problem: Problem) => void
  /** The requests under way: not answered in full yet, or answered and their handler still at work. */
  readonly active: ReadonlySet<Exchange>
  /** From now on every response closes its connection, those under way included; but not the connections in `kept`. */
  closeConnections(kept?: ReadonlySet<Socket>): void
  /** Called when a request is no longer under way. */
  onIdle: () => void
}

/** What the adapter hands over beside the request: HTTP/2 is not offered, so these are HTTP/1's. */
export interface NodeEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** What Hono calls the environment of a request is the exchange that it belongs to. */
interface Env {
  Bindings: Exchange
}

/**
 * Mounts `routes` on Hono. Every request's context is derived from `server`, with the route's deadline or the
 * caller's if that is sooner; a client that hangs up ends it, and so does the end of the response.
 *
 * This wraps `app.fetch` instead of being a middleware: even an empty one costs a small route 10 to 15 %.
 */
export function createBoundary(
  server: Lifetime,
  log: Log,
  routes: readonly Route[],
  options: HttpOptions,
): Boundary {
  const active = new Set<Exchange>()
  const observers = observersOf(log, options.recent)
  let kept: ReadonlySet<Socket> | undefined

  const app = new Hono<Env>()
  for (const route of routes) {
    app.on(route.method, route.path, (c) => handle(begin(c.env, route), c, route, options.bodyMaxBytes))
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
    const exchange = new Exchange(incoming, outgoing, end)
    active.add(exchange)
    if (kept?.has(incoming.socket) === false) outgoing.shouldKeepAlive = false
    outgoing.setHeader('x-request-id', exchange.info.id)
    return exchange
  }

  /** Derives the request's context. `end` ends it when the response has ended, so nobody here has it in a `using`. */
  function begin(exchange: Exchange, route: Route | undefined): Context {
    const ownMs = route?.timeoutMs ?? options.requestTimeoutMs
    const callerMs = callerTimeoutMs(exchange.incoming.headers)
    const named = withValue(server, requestKey, exchange.info)
    const observed = observers.all.reduce<Context>((ctx, observer) => observer.began(ctx, exchange), named)
    const ctx = withTimeout(observed, callerMs === undefined ? ownMs : Math.min(ownMs, callerMs))
    exchange.routed(ctx, route)
    return ctx
  }

  function refuse(exchange: Exchange, error: unknown): Response {
    return refused(exchange.ctx ?? begin(exchange, undefined), exchange, error)
  }

  /** The exchange has ended: its response is closed, and its handler has settled. */
  function end(exchange: Exchange): void {
    if (!active.delete(exchange)) return
    const ctx = exchange.ctx ?? begin(exchange, undefined)
    const seconds = (performance.now() - exchange.startedAt) / 1_000
    const outcome = exchange.outcome(ctx)
    if (exchange.endedAt !== undefined) unwound(ctx, 'http', exchange.endedAt)
    exchange.ctx?.cancel()
    for (const observer of observers.all) observer.ended(ctx, exchange, outcome, seconds)
    boundary.onIdle()
  }
}

/** 405 where the path answers other methods; HEAD is answered where GET is (RFC 9110, 9.1). */
function unrouted(
  app: Hono<Env>,
  routes: readonly Route[],
  { method, path }: RequestInfo,
  asked: string,
): Problem {
  const methods = new Set(routes.map((route) => route.method))
  const allowed = Array.from(methods).filter((one) => app.router.match(one, asked)[0].length > 0)
  const nothing = `nothing answers ${method} ${path}`
  if (allowed.length === 0) return notFound(nothing)
  const all = allowed.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]))
  return methodNotAllowed(`${nothing}: it answers ${all.join(', ')}`, all)
}

/**
 * Runs the route's handler under ctx, and answers with what it returns. Where nothing waits no promise is made: a few of
 * them cost more than all else that is done for a small request.
 */
function handle(
  ctx: Context,
  c: HonoContext<Env>,
  route: Route,
  bodyMaxBytes: number,
): Response | Promise<Response> {
  const exchange = c.env
  // The deadline has passed on the way, or the client has left: a handler would work for nobody.
  if (ctx.err !== undefined) return refused(ctx, exchange, ctx.err)
  try {
    const work = call(ctx, c, route, bodyMaxBytes)
    if (work instanceof Promise) return finish(ctx, exchange, work)
    exchange.settled()
    const sent = answer(ctx, exchange, work)
    return sent instanceof Promise ? sent.catch((error: unknown) => broken(ctx, exchange, error)) : sent
  } catch (error) {
    return refused(ctx, exchange, error)
  }
}

/** Parses the request's input and calls the handler. @throws Problem 400, 413 or 415, or what the handler throws */
function call(
  ctx: Context,
  c: HonoContext<Env>,
  route: Route,
  bodyMaxBytes: number,
): ReturnType<Route['handle']> {
  const { incoming, info } = c.env
  const withBody = (body: unknown): ReturnType<Route['handle']> => {
    const params = route.params && c.req.param()
    const query = route.query && queryOf(c.req)
    const input = parseInput(route, { params, query, body })
    return route.handle(ctx, input, { method: info.method, headers: incoming.headers, body: incoming })
  }
  return route.body === undefined ? withBody(undefined) : readJson(ctx, incoming, bodyMaxBytes).then(withBody)
}

/** Answers when `work` settles or ctx ends, whichever is first. The exchange stays under way until `work` has settled. */
async function finish(
  ctx: Context,
  exchange: Exchange,
  work: Promise<Response | StreamedResponse>,
): Promise<Response> {
  try {
    // eslint-disable-next-line context/no-unowned-work -- a stop waits for it: the exchange is under way until it settles
    work.then(
      (response) => {
        // Too late to be the answer: what its body holds would stay open.
        if (ctx.err !== undefined) release(response)
        exchange.settled()
      },
      (error: unknown) => {
        // Before `settled`: where the client has left, that ends the exchange.
        recordFailure(ctx, exchange, error)
        exchange.settled()
      },
    )
    return await answer(ctx, exchange, await until(ctx, work))
  } catch (error) {
    return broken(ctx, exchange, error)
  }
}

/** Answers with the failure of `until` or of the stream. If ctx has ended, it ended just now. */
function broken(ctx: Context, exchange: Exchange, error: unknown): Response {
  if (ctx.err !== undefined) exchange.cutShort()
  return fail(ctx, exchange, error)
}

/** Answers with the failure, and no handler is at work. */
function refused(ctx: Context, exchange: Exchange, error: unknown): Response {
  const response = fail(ctx, exchange, error)
  exchange.settled()
  return response
}
