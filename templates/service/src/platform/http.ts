import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono, type Context as HonoContext } from 'hono'
import { withTimeout, withValue, type CancelContext, type Context } from '../context/context.ts'
import { until } from '../context/until.ts'
import { causeName, ClientDisconnected } from './causes.ts'
import { callerTimeoutMs } from './deadline.ts'
import { openExchange, type Exchange } from './exchange.ts'
import { parseInput } from './input.ts'
import type { Log } from './log.ts'
import { httpMetrics } from './metrics.ts'
import { notFound, problemOf, type Problem } from './problem.ts'
import { requestKey } from './request.ts'
import type { Route, StreamedResponse } from './route.ts'
import { endServerSpan, startServerSpan } from './server-span.ts'
import { traceOf } from './span.ts'

/** The limits of a request that its route does not set itself. */
export interface HttpOptions {
  readonly requestTimeoutMs: number
  readonly bodyMaxBytes: number
}

/** Where HTTP meets the service: each request gets a context that ends with its response, and an answer. */
export interface Boundary {
  /** What the server calls for each request. */
  readonly fetch: (request: Request, env: NodeEnv) => Response | Promise<Response>
  /** The requests under way: not answered in full yet, or answered and their handler still at work. */
  readonly active: ReadonlySet<Exchange>
  /** From now on every response closes its connection, those under way included. */
  closeConnections(): void
  /** Called when a request is no longer under way. */
  onIdle: () => void
}

/** What the adapter hands over beside the request: HTTP/2 is not offered, so these are HTTP/1's. */
interface NodeEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

interface Env {
  Bindings: { exchange: Exchange }
}

/**
 * Mounts `routes` on Hono. Every request's context is derived from `server`, with the route's deadline or the
 * caller's if that is sooner; a client that hangs up ends it, and so does the end of the response.
 *
 * This wraps `app.fetch` instead of being a middleware: even an empty one costs a small route 10 to 15 %.
 */
export function createBoundary(
  server: Context,
  log: Log,
  routes: readonly Route[],
  options: HttpOptions,
): Boundary {
  const active = new Set<Exchange>()
  const metrics = httpMetrics()
  let closing = false

  const app = new Hono<Env>()
  for (const route of routes) {
    app.on(route.method, route.path, (c) => handle(c, route))
  }
  app.notFound((c) =>
    refuse(c, notFound(`nothing answers ${c.env.exchange.info.method} ${c.env.exchange.info.path}`)),
  )
  app.onError((error, c) => refuse(c, error))

  const boundary: Boundary = {
    fetch(request, { incoming, outgoing }) {
      const exchange = openExchange(incoming, outgoing)
      active.add(exchange)
      metrics.started(exchange.info.method)
      if (closing) outgoing.shouldKeepAlive = false
      outgoing.setHeader('x-request-id', exchange.info.id)
      // 'close' follows a finished response as well as a broken connection. The request's own 'close' would not do:
      // it comes as soon as its body has been read.
      outgoing.once('close', () => onClose(exchange))
      return app.fetch(request, { exchange })
    },
    active,
    closeConnections() {
      closing = true
      for (const { outgoing } of active) outgoing.shouldKeepAlive = false
    },
    onIdle() {},
  }
  return boundary

  /** Derives the request's context. `conclude` ends it when the response has ended, so nobody here has it in a `using`. */
  function begin(exchange: Exchange, route: Route | undefined): Context {
    const ownMs = route?.timeoutMs ?? options.requestTimeoutMs
    const callerMs = callerTimeoutMs(exchange.incoming.headers)
    const named = withValue(server, requestKey, exchange.info)
    const traced = startServerSpan(named, exchange.incoming.headers, exchange.info)
    const ctx = withTimeout(traced, callerMs === undefined ? ownMs : Math.min(ownMs, callerMs))
    exchange.ctx = ctx
    exchange.route = route
    exchange.working = true
    // The client may have left before the request was routed.
    if (exchange.closed) hangUp(ctx, exchange)
    return ctx
  }

  async function handle(c: HonoContext<Env>, route: Route): Promise<Response> {
    const { exchange } = c.env
    const ctx = begin(exchange, route)
    const { incoming } = exchange
    const work = async (): Promise<Response | StreamedResponse> => {
      const raw = { params: c.req.param(), query: c.req.query(), incoming }
      const input = await parseInput(ctx, route, raw, options.bodyMaxBytes)
      return route.handle(ctx, input, { headers: incoming.headers, body: incoming })
    }
    // A handler that does not listen to its context is answered for in time all the same, and stays under way.
    const working = work().finally(() => settle(exchange))
    try {
      const response = await until(ctx, working)
      return response instanceof Response ? answer(exchange, response) : await stream(ctx, exchange, response)
    } catch (error) {
      return fail(ctx, exchange, error)
    }
  }

  function refuse(c: HonoContext<Env>, error: Error): Response {
    const { exchange } = c.env
    const ctx = exchange.ctx ?? begin(exchange, undefined)
    const response = fail(ctx, exchange, error)
    settle(exchange)
    return response
  }

  function onClose(exchange: Exchange): void {
    const { ctx, outgoing } = exchange
    exchange.closed = true
    if (ctx !== undefined && !outgoing.writableFinished) hangUp(ctx, exchange)
    conclude(exchange)
  }

  function hangUp(ctx: CancelContext, exchange: Exchange): void {
    if (ctx.err === undefined) exchange.status = 499
    if (exchange.route?.hangUp !== 'ignore') ctx.cancel(new ClientDisconnected())
  }

  function settle(exchange: Exchange): void {
    exchange.working = false
    conclude(exchange)
  }

  /** The last of answer and handler ends the request. */
  function conclude(exchange: Exchange): void {
    if (exchange.working || !exchange.closed || !active.delete(exchange)) return
    const { route, status, failure, info } = exchange
    const ctx = exchange.ctx ?? begin(exchange, undefined)
    const seconds = (performance.now() - exchange.startedAt) / 1_000
    const ended = status === 499 ? 'ClientDisconnected' : causeName(ctx)
    exchange.ctx?.cancel()
    endServerSpan(ctx, { route: route?.path, status, cause: ended, failure })
    metrics.finished(info.method, { route: route?.path, status, cause: ended, failure }, seconds)
    logRequest(ctx, log, exchange, ended, seconds)
    boundary.onIdle()
  }
}

function answer(exchange: Exchange, response: Response): Response {
  exchange.status = response.status
  return response
}

/** Pipes a body under ctx. A body that breaks off takes the connection with it, which is how the client learns of it. */
async function stream(ctx: Context, exchange: Exchange, response: StreamedResponse): Promise<Response> {
  const { body, headers, status } = response
  const { outgoing } = exchange
  exchange.status = status
  if (exchange.info.method === 'HEAD') {
    body.destroy()
    return new Response(null, { status, headers })
  }
  outgoing.writeHead(status, headers)
  await pipeline(body, outgoing, { signal: ctx.signal })
  return RESPONSE_ALREADY_SENT
}

/** Answers with the problem that `error` is, unless the answer has begun or nobody is there to read it. */
function fail(ctx: Context, exchange: Exchange, error: unknown): Response {
  const problem = problemOf(ctx, error)
  const { outgoing } = exchange
  if (problem.status >= 500) exchange.failure = problem.cause ?? error
  if (exchange.closed || outgoing.headersSent) {
    if (!exchange.closed) outgoing.destroy()
    return RESPONSE_ALREADY_SENT
  }
  exchange.status = problem.status
  return problemResponse(ctx, exchange, problem)
}

/** RFC 9457. The ids let a client report what the log can be searched for. */
function problemResponse(ctx: Context, exchange: Exchange, problem: Problem): Response {
  const body = {
    type: 'about:blank',
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    ...(problem.errors !== undefined && { errors: problem.errors }),
    requestId: exchange.info.id,
    ...(traceOf(ctx) !== undefined && { traceId: traceOf(ctx)?.traceId }),
  }
  return new Response(JSON.stringify(body), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', ...problem.headers },
  })
}

function logRequest(
  ctx: Context,
  log: Log,
  exchange: Exchange,
  ended: string | undefined,
  seconds: number,
): void {
  const { info, route, status, failure } = exchange
  // What ended the request is told by its cause; what else made it a 5xx is told to nobody but the log.
  const failed = status === 500 || (status > 500 && ended === undefined)
  const fields = {
    method: info.method,
    path: info.path,
    ...(route !== undefined && { route: route.path }),
    status,
    durationMs: Math.round(seconds * 1e6) / 1e3,
    ...(ended !== undefined && { cause: ended }),
    ...(failed && { err: failure }),
  }
  if (status === 500) log.error(ctx, 'request', fields)
  else if (status > 500) log.warn(ctx, 'request', fields)
  else if (route?.quiet === true) log.debug(ctx, 'request', fields)
  else log.info(ctx, 'request', fields)
}
