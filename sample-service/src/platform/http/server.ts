import { validateHeaderName, validateHeaderValue, type Server as NodeServer } from 'node:http'
import { getRequestListener, RequestError } from '@hono/node-server'
import {
  contextName,
  withCancel,
  withValue,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { startWorkers, type Worker } from '../lifecycle/workers.ts'
import type { Log } from '../telemetry/log.ts'
import { Boundary, type HttpOptions, type NodeEnv } from './boundary.ts'
import { cutOffUnread } from './connections.ts'
import type { Exchange } from './exchange.ts'
import { limitedServer, type Listener } from './limits.ts'
import { bind } from './listener.ts'
import type { App } from './middleware.ts'
import type { Route } from './route.ts'
import { stopServer, type Readiness, type StopBudgets, type Stopped } from './stop.ts'
import { answerUnparsed } from './refusal.ts'

/** The public listener. */
export interface Server {
  readonly port: number
  /** Answers a request that another listener has accepted. */
  readonly answer: Listener
  /** The requests under way, also those that another listener has accepted. */
  readonly active: Iterable<Exchange>
  /**
   * Stops in three phases, each with its own budget: not ready; closed, while requests finish; cancelled, while they
   * unwind. Go's http.Server.Shutdown, and the cancelling of its BaseContext.
   */
  stop(ctx: Context, readiness: Readiness, budgets: StopBudgets): Promise<Stopped>
}

export interface ListenOptions extends HttpOptions {
  readonly host: string
  /** 0 means any free one. */
  readonly port: number
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number
  /** The longest that a request may take to arrive, including its body. */
  readonly receiveTimeoutMs: number
}

/** What the server context serves. */
export interface Served {
  readonly routes: readonly Route[]
  /** Mounts what stands in front of the routes; nothing, if it is not given. */
  readonly middlewares?: (app: App) => void
  /** Headers of every answer that does not set its own. */
  readonly headers?: Readonly<Record<string, string>>
  readonly workers: readonly Worker[]
}

/**
 * Listens. The context of every request descends from the server context, and that from `root`. `stop` cancels the server
 * context; no signal does: a signal stops new requests and lets those under way finish. Go: http.Server.BaseContext.
 * @throws Error if the address cannot be bound, a worker cannot start, or ctx ends first
 */
export async function listen(
  ctx: Context,
  root: Lifetime,
  log: Log,
  { routes, middlewares = () => undefined, headers: own = {}, workers }: Served,
  options: ListenOptions,
): Promise<Server> {
  const headers = sendable(own)
  const serving: CancelContext & Lifetime = withCancel(withValue(root, contextName, 'server'))
  const boundary = new Boundary(serving, log, { routes, middlewares, headers }, options)
  const { host, port: wanted, keepAliveMs, requestTimeoutMs, receiveTimeoutMs } = options
  const longestMs = Math.max(requestTimeoutMs, receiveTimeoutMs, ...routes.map((r) => r.timeoutMs ?? 0))
  const answer = listenerOf(boundary)
  const server: NodeServer = limitedServer(
    { headersMs: requestTimeoutMs, keepAliveMs, longestMs },
    answer,
    () => log.warn(serving, 'closed a connection: more than 100 requests waited on it'),
  )
  answerUnparsed(
    server,
    () => boundary.active,
    headers,
    (info, problem) => boundary.refused(info, problem),
  )
  cutOffUnread(server, boundary.active)
  const fail = (error: unknown): never => {
    serving.cancel()
    server.close()
    server.closeAllConnections()
    throw error
  }
  const address = { host, port: wanted, purpose: 'listen', variable: 'PORT' }
  const port = await bind(ctx, serving, log, server, address).catch(fail)
  const work = await startWorkers(ctx, serving, log, workers).catch(fail)
  const cancel = (cause: Error) => serving.cancel(cause)
  const running = { server, boundary, cancel, work, hasWorkers: workers.length > 0 }
  return {
    port,
    answer,
    active: boundary.active,
    stop: (ctx, readiness, budgets) => stopServer(ctx, log, running, readiness, budgets),
  }
}

/**
 * Returns headers by their names in lower case.
 * @throws TypeError for a header that Node would refuse to write: nobody could catch that error later, in the adapter
 */
function sendable(headers: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(headers).map(([name, value]): [string, string] => {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return [name.toLowerCase(), value]
  })
  return Object.fromEntries(named)
}

/** Hono's adapter before the boundary. */
function listenerOf(boundary: Boundary): Listener {
  let env: NodeEnv | undefined
  const serve = (request: Request, env: NodeEnv) => boundary.fetch(request, env)
  const adapter = getRequestListener(serve as Parameters<typeof getRequestListener>[0], {
    // For requests without a Host, as HTTP/1.0 allows: health checks of proxies send them.
    hostname: 'localhost',
    // The adapter calls it before the listener has returned, so env is that of this request.
    errorHandler: (error) =>
      error instanceof RequestError && env !== undefined
        ? boundary.refuse(env, error)
        : new Response(null, { status: 500 }),
  })
  return (incoming, outgoing) => {
    env = { incoming, outgoing }
    return adapter(incoming, outgoing)
  }
}
