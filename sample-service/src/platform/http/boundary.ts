import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Hono, type Context as HonoContext } from 'hono'
import {
  cause,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { answer, fail, recordFailure } from './answer.ts'
import { release } from './answer-body.ts'
import { causeName, ClientDisconnected } from '../causes.ts'
import { callerTimeoutMs } from './deadline.ts'
import { openExchange, type Exchange } from './exchange.ts'
import { parseInput, queryOf, readJson } from './input.ts'
import type { Log } from '../telemetry/log.ts'
import { httpMetrics } from '../telemetry/metrics.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import { badRequest, methodNotAllowed, notFound, Problem } from '../problem.ts'
import type { RecentRequests } from '../telemetry/recent.ts'
import { refusalOf } from './refusal.ts'
import { requestKey, type RequestInfo } from '../request.ts'
import type { Route, StreamedResponse } from './route.ts'
import { endServerSpan, startServerSpan } from './span.ts'
import { tracer } from '../telemetry/span.ts'
import { stepKey } from '../telemetry/steps.ts'
import { unwound } from '../telemetry/unwound.ts'

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
  const metrics = httpMetrics()
  const spans = tracer()
  let kept: ReadonlySet<Socket> | undefined

  const app = new Hono<Env>()
  for (const route of routes) {
    app.on(route.method, route.path, (c) => handle(c, route))
  }
  app.notFound(({ env, req }) => refuse(env, unrouted(env, req.path)))
  app.onError((error, { env }) => refuse(env, error))

  const boundary: Boundary = {
    fetch(request, env) {
      const exchange = enter(env)
      const refusal = refusalOf(env.incoming)
      return refusal === undefined ? app.fetch(request, exchange) : refuse(exchange, refusal)
    },
    refuse: (env, error) => refuse(enter(env), badRequest(`the request cannot be served: ${error.message}`)),
    refused(info, { status, message }) {
      metrics.started(info.method)
      metrics.finished(info.method, { route: undefined, status, cause: undefined, failure: undefined }, 0)
      log.info(withValue(server, requestKey, info), 'request', {
        method: info.method,
        status,
        refused: message,
      })
    },
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
    const exchange = openExchange(incoming, outgoing)
    active.add(exchange)
    metrics.started(exchange.info.method)
    if (kept?.has(incoming.socket) === false) outgoing.shouldKeepAlive = false
    outgoing.setHeader('x-request-id', exchange.info.id)
    // 'close' follows a finished response as well as a broken connection. The request's own 'close' would not do:
    // it comes as soon as its body has been read.
    outgoing.on('close', () => onClose(exchange))
    return exchange
  }

  /** 405 where the path answers to other methods; HEAD is answered where GET is (RFC 9110, 9.1). */
  function unrouted({ info }: Exchange, path: string): Problem {
    const answered = new Set(routes.map(({ method }) => method))
    const allowed = Array.from(answered).filter((method) => app.router.match(method, path)[0].length > 0)
    const nothing = `nothing answers ${info.method} ${info.path}`
    if (allowed.length === 0) return notFound(nothing)
    const all = allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    return methodNotAllowed(`${nothing}: it answers ${all.join(', ')}`, all)
  }

  /** Derives the request's context. `conclude` ends it when the response has ended, so nobody here has it in a `using`. */
  function begin(exchange: Exchange, route: Route | undefined): Context {
    const ownMs = route?.timeoutMs ?? options.requestTimeoutMs
    const callerMs = callerTimeoutMs(exchange.incoming.headers)
    const named = withValue(server, requestKey, exchange.info)
    const traced = spans ? startServerSpan(named, spans, exchange.incoming.headers, exchange.info) : named
    const recent = options.recent?.begin(exchange.info, exchange.startedAt)
    const seen = recent === undefined ? traced : withValue(traced, stepKey, recent.steps)
    const ctx = withTimeout(seen, callerMs === undefined ? ownMs : Math.min(ownMs, callerMs))
    exchange.recent = recent
    exchange.ctx = ctx
    exchange.route = route
    exchange.working = true
    // The client may have left before the request was routed.
    if (exchange.closed) hangUp(ctx, exchange)
    return ctx
  }

  /** Where nothing waits no promise is made: a few of them cost more than all else that is done for a small request. */
  function handle(c: HonoContext<Env>, route: Route): Response | Promise<Response> {
    const exchange = c.env
    const ctx = begin(exchange, route)
    // The deadline has passed on the way, or the client has left: a handler would work for nobody.
    if (ctx.err !== undefined) return refuse(exchange, ctx.err)
    try {
      const work = run(ctx, c, route)
      if (work instanceof Promise) return finish(ctx, exchange, work)
      settle(exchange)
      const sent = answer(ctx, exchange, work)
      return sent instanceof Promise ? sent.catch((error: unknown) => broken(ctx, exchange, error)) : sent
    } catch (error) {
      return refuse(exchange, error)
    }
  }

  function run(ctx: Context, c: HonoContext<Env>, route: Route): ReturnType<Route['handle']> {
    const { incoming } = c.env
    const call = (body: unknown): ReturnType<Route['handle']> => {
      const params = route.params && c.req.param()
      const query = route.query && queryOf(c.req)
      const input = parseInput(route, { params, query, body })
      return route.handle(ctx, input, {
        method: c.env.info.method,
        headers: incoming.headers,
        body: incoming,
      })
    }
    return route.body === undefined
      ? call(undefined)
      : readJson(ctx, incoming, options.bodyMaxBytes).then(call)
  }

  async function finish(
    ctx: Context,
    exchange: Exchange,
    work: Promise<Response | StreamedResponse>,
  ): Promise<Response> {
    try {
      // A handler that does not listen to its context is answered for in time all the same, and stays under way.
      work.then(
        (response) => {
          // It comes too late to be answered with: what its body holds would stay open.
          if (ctx.err !== undefined) release(response)
          settle(exchange)
        },
        (error: unknown) => {
          // Now: where the client has left, the request ends here.
          recordFailure(ctx, exchange, error)
          settle(exchange)
        },
      )
      return await answer(ctx, exchange, await until(ctx, work))
    } catch (error) {
      return broken(ctx, exchange, error)
    }
  }

  /** Here at once where the end of ctx is what `until` or the stream has rejected with. */
  function broken(ctx: Context, exchange: Exchange, error: unknown): Response {
    if (ctx.err !== undefined) exchange.endedAt ??= performance.now()
    return fail(ctx, exchange, error)
  }

  function refuse(exchange: Exchange, error: unknown): Response {
    const ctx = exchange.ctx ?? begin(exchange, undefined)
    const response = fail(ctx, exchange, error)
    settle(exchange)
    return response
  }

  function onClose(exchange: Exchange): void {
    const { ctx, outgoing } = exchange
    exchange.closed = true
    // What a body that breaks off has failed with: its connection was closed from here, by no client.
    if (outgoing.errored !== null && ctx?.err === undefined) exchange.failure ??= outgoing.errored
    else if (ctx !== undefined && !outgoing.writableFinished) hangUp(ctx, exchange)
    conclude(exchange)
  }

  function hangUp(ctx: CancelContext, exchange: Exchange): void {
    if (ctx.err === undefined) exchange.status = 499
    if (exchange.route?.hangUp === 'ignore') return
    exchange.endedAt ??= performance.now()
    ctx.cancel(new ClientDisconnected())
  }

  function settle(exchange: Exchange): void {
    exchange.working = false
    conclude(exchange)
  }

  /** The last of answer and handler ends the request. */
  function conclude(exchange: Exchange): void {
    if (exchange.working || !exchange.closed || !active.delete(exchange)) return
    const { info } = exchange
    const ctx = exchange.ctx ?? begin(exchange, undefined)
    const { recent, endedAt } = exchange
    const seconds = (performance.now() - exchange.startedAt) / 1_000
    const outcome = outcomeOf(ctx, exchange)
    if (endedAt !== undefined) unwound(ctx, 'http', endedAt)
    exchange.ctx?.cancel()
    endServerSpan(ctx, outcome)
    metrics.finished(info.method, outcome, seconds)
    logRequest(ctx, log, exchange, outcome, seconds)
    const { status, cause } = outcome
    if (recent !== undefined) options.recent?.end(recent, { status, cause, canceledAt: endedAt })
    boundary.onIdle()
  }
}

function outcomeOf(ctx: Context, { route, status, failure }: Exchange): Outcome {
  // A body that cannot be parsed ends the context of its request with the answer: nothing else has ended it.
  const answered = cause(ctx) instanceof Problem
  const name = status === 499 ? 'ClientDisconnected' : answered ? undefined : causeName(ctx)
  // What fails because its context has ended is told by the cause of that.
  return { route: route?.path, status, cause: name, failure: ctx.err === undefined ? failure : undefined }
}

function logRequest(ctx: Context, log: Log, exchange: Exchange, outcome: Outcome, seconds: number): void {
  const { info, route } = exchange
  const { status, cause, failure } = outcome
  const fields = {
    method: info.method,
    path: info.path,
    ...(route !== undefined && { route: route.path }),
    status,
    durationMs: Math.round(seconds * 1e6) / 1e3,
    ...(cause !== undefined && { cause }),
    // Told to nobody but the log.
    ...(failure !== undefined && { err: failure }),
  }
  // Below 500 it has failed after its answer had begun, or its client had left.
  if (status === 500 || (status < 500 && failure !== undefined)) log.error(ctx, 'request', fields)
  else if (status > 500) log.warn(ctx, 'request', fields)
  else if (route?.quiet === true) log.debug(ctx, 'request', fields)
  else log.info(ctx, 'request', fields)
}
