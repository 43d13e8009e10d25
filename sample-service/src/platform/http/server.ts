import type { IncomingMessage, Server as NodeServer, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { getRequestListener, RequestError } from '@hono/node-server'
import {
  contextName,
  withCancel,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { sleep } from '../../context/sleep.ts'
import { bind } from './listener.ts'
import { ServerShutdown, WorkAbandoned } from '../causes.ts'
import { msSince, type Durations } from '../lifecycle/closers.ts'
import { describeExchange, logAbandoned } from './exchange.ts'
import { createBoundary, type Boundary, type HttpOptions, type NodeEnv } from './boundary.ts'
import { limitedServer } from './limits.ts'
import { closeListener, lateConnections } from './late-connections.ts'
import type { Log } from '../telemetry/log.ts'
import { inTurn } from './in-turn.ts'
import type { Route } from './route.ts'
import { failSpan, phase } from '../telemetry/span.ts'
import { answerUnparsed } from './unparsed.ts'
import { cutOffUnread } from './unread.ts'
import { startWorkers, type Worker } from '../lifecycle/workers.ts'

/** Whether the service wants new work. Cleared by the first signal, before anything is closed. */
export interface Readiness {
  accepting: boolean
}

/** Milliseconds for each phase of a stop. */
export interface StopBudgets {
  /** Not ready, but serving: for load balancers to notice. */
  readonly delayMs: number
  /** For requests to finish by themselves. */
  readonly drainMs: number
  /** For cancelled requests to unwind. */
  readonly cancelMs: number
}

/** The public listener. */
export interface Server {
  readonly port: number
  /**
   * Stops in three phases, each with its own budget: not ready; closed, while requests finish; cancelled, while they
   * unwind. Go's http.Server.Shutdown, and the cancelling of its BaseContext. Each is logged: what it waits for, then
   * how long that took and what is left.
   */
  stop(ctx: Context, readiness: Readiness, budgets: StopBudgets): Promise<Stopped>
}

/** How a stop went. */
export interface Stopped {
  /** The requests and the work beside them that had to be abandoned, one line each. */
  readonly abandoned: readonly string[]
  /** Of each phase. */
  readonly phasesMs: Durations
}

export interface ListenOptions extends HttpOptions {
  readonly host: string
  /** 0 means any free one. */
  readonly port: number
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number
  /** The longest that a request may take to arrive, its body included. */
  readonly receiveTimeoutMs: number
}

/** What is done under the server context. */
export interface Work {
  readonly routes: readonly Route[]
  readonly workers: readonly Worker[]
}

/**
 * Listens. Every request hangs from the server context, which hangs from `root` and not from what a signal ends: a
 * signal closes the door and lets those inside finish. `stop` cancels it. Go: http.Server.BaseContext.
 * @throws Error if the address cannot be bound or a worker cannot start, or ctx ends before
 */
export async function listen(
  ctx: Context,
  root: Lifetime,
  log: Log,
  { routes, workers }: Work,
  options: ListenOptions,
): Promise<Server> {
  const serving: CancelContext & Lifetime = withCancel(withValue(root, contextName, 'server'))
  const boundary = createBoundary(serving, log, routes, options)
  let env: NodeEnv | undefined
  const adapter = getRequestListener(boundary.fetch as Parameters<typeof getRequestListener>[0], {
    // For requests that name no host, as HTTP/1.0 does not: health checks of proxies are such.
    hostname: 'localhost',
    // The adapter asks before the listener has returned.
    errorHandler: (error) =>
      error instanceof RequestError && env !== undefined
        ? boundary.refuse(env, error)
        : new Response(null, { status: 500 }),
  })
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): unknown => {
    env = { incoming, outgoing }
    return adapter(incoming, outgoing)
  }
  const flooded = (): void => log.warn(serving, 'closed a connection: more than 100 requests waited on it')
  const serve = inTurn(listener, flooded)
  const { keepAliveMs, requestTimeoutMs, receiveTimeoutMs } = options
  const longestMs = Math.max(requestTimeoutMs, receiveTimeoutMs, ...routes.map((r) => r.timeoutMs ?? 0))
  const server = limitedServer({ headersMs: requestTimeoutMs, keepAliveMs, longestMs }, serve)
  server.on('checkExpectation', serve)
  answerUnparsed(server, boundary.active, boundary.refused)
  cutOffUnread(server, boundary.active)

  const address = { host: options.host, port: options.port, purpose: 'listen', variable: 'PORT' }
  const fail = (error: unknown): never => {
    serving.cancel()
    throw error
  }
  const port = await bind(ctx, server, address).catch(fail)
  const work = await startWorkers(ctx, serving, log, workers).catch(fail)

  return {
    port,
    async stop(ctx, readiness, { delayMs, drainMs, cancelMs }) {
      const startedAt = performance.now()
      readiness.accepting = false
      // What they would take up now, another instance does.
      const workDone = work.stop(ctx)
      // A client that keeps its connection asks on it whatever /readyz says. Told to open another, it finds another
      // instance; told nothing, its next request would cross with the closing of the connection.
      const late = lateConnections(server)
      boundary.closeConnections(late)
      log.info(ctx, 'not ready', { delayMs })
      await phase(ctx, 'delay', (ctx) => sleep(ctx, delayMs))
      const delay = msSince(startedAt)

      const connectionsClosed = closeListener(server)
      boundary.closeConnections()
      log.info(ctx, 'draining', { ...(await open()), drainMs })
      // Who opened one since asks on it until told. One that nobody uses is kept as long again as it could be opened.
      const usedUp = (ctx: Context) => connectionsClosed(ctx, late.size === 0 ? 0 : delayMs)
      const drain = await idleWithin(ctx, 'drain', server, boundary, workDone, drainMs, usedUp)
      log.info(ctx, 'drained', { durationMs: drain, ...(await open()) })
      if (boundary.active.size + work.active() === 0) return end(ctx, { delay, drain })

      log.info(ctx, 'cancelling', { ...underWay(), cancelMs })
      serving.cancel(new ServerShutdown())
      const cancel = await idleWithin(ctx, 'cancel', server, boundary, workDone, cancelMs)
      log.info(ctx, 'cancelled', { durationMs: cancel, ...(await open()) })
      return end(ctx, { delay, drain, cancel })
    },
  }

  function underWay(): Readonly<Record<string, number>> {
    return { requests: boundary.active.size, ...(workers.length > 0 && { work: work.active() }) }
  }

  /** What there is to wait for. */
  async function open(): Promise<Readonly<Record<string, number>>> {
    return { ...underWay(), connections: await promisify(server.getConnections.bind(server))() }
  }

  function end(ctx: Context, phasesMs: Durations): Stopped {
    serving.cancel(new ServerShutdown())
    // An answer that its client does not read is no work: it ends with its connection.
    const working = Array.from(boundary.active).filter((exchange) => exchange.working)
    for (const exchange of working) logAbandoned(ctx, log, exchange)
    const abandoned = [...working.map(describeExchange), ...work.unfinished()]
    if (abandoned.length > 0) failSpan(ctx, new WorkAbandoned(abandoned.join(', ')))
    server.closeAllConnections()
    return { abandoned, phasesMs }
  }
}

/**
 * Waits in a span for `first`, then until no request is under way and `workDone`, for `ms` at most. Connections are closed as
 * they fall idle, after `first`.
 * @returns how long it took
 */
async function idleWithin(
  ctx: Context,
  name: string,
  server: NodeServer,
  boundary: Boundary,
  workDone: Promise<void>,
  ms: number,
  first: (ctx: Context) => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  const startedAt = performance.now()
  await phase(ctx, name, async (ctx) => {
    using waiting = withTimeout(withValue(ctx, contextName, name), ms)
    await first(waiting)
    const idle = new Promise<void>((resolve) => {
      boundary.onIdle = () => {
        // The connection of the response that has ended is idle only in the next turn.
        setImmediate(() => server.closeIdleConnections())
        if (boundary.active.size === 0) resolve()
      }
      boundary.onIdle()
    })
    await Promise.race([Promise.all([idle, workDone]), ended(waiting)])
  })
  return msSince(startedAt)
}
