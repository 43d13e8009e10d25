import type { Server as NodeServer } from 'node:http'
import { promisify } from 'node:util'
import { contextName, withTimeout, withValue, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { sleep } from '../../context/sleep.ts'
import { ServerShutdown, WorkAbandoned } from '../causes.ts'
import { msSince, type Durations } from '../lifecycle/closers.ts'
import type { Workers } from '../lifecycle/workers.ts'
import type { Log } from '../telemetry/log.ts'
import { failSpan, phase } from '../telemetry/span.ts'
import type { Boundary } from './boundary.ts'
import { closeListener, lateConnections } from './connections.ts'
import type { Exchange } from './exchange.ts'

/** Whether the service accepts new work. The first signal clears it, before anything is closed. */
export interface Readiness {
  accepting: boolean
}

/** Milliseconds for each phase of a stop. */
export interface StopBudgets {
  /** Not ready, but serving: load balancers notice. */
  readonly delayMs: number
  /** Requests finish by themselves. */
  readonly drainMs: number
  /** Cancelled requests unwind. */
  readonly cancelMs: number
}

/** How a stop went. */
export interface Stopped {
  /** The requests and the workers' tasks that had to be abandoned, one line each. */
  readonly abandoned: readonly string[]
  readonly phasesMs: Durations
}

/** What a stop ends. */
interface Running {
  readonly server: NodeServer
  readonly boundary: Boundary
  /** Cancels the server context. */
  readonly cancel: (cause: Error) => void
  readonly work: Workers
  readonly hasWorkers: boolean
}

/** Stops the server. Logs each phase: what it waits for, then how long that took and what is left. */
export async function stopServer(
  ctx: Context,
  log: Log,
  running: Running,
  readiness: Readiness,
  { delayMs, drainMs, cancelMs }: StopBudgets,
): Promise<Stopped> {
  const { server, boundary, work } = running
  const startedAt = performance.now()
  readiness.accepting = false
  // The workers take no new work from now on: other instances do.
  const workDone = work.stop(ctx)
  // A client goes on using its open connection, whatever /readyz says. If the service just closed it, the next request
  // might be on its way and be lost; an answer with `Connection: close` makes the client go to another instance.
  const late = lateConnections(server)
  boundary.closeConnections(late)
  log.info(ctx, 'not ready', { delayMs })
  await phase(ctx, 'delay', (ctx) => sleep(ctx, delayMs))
  const delay = msSince(startedAt)

  const connectionsClosed = closeListener(server)
  boundary.closeConnections()
  log.info(ctx, 'draining', { ...(await open(running)), drainMs })
  // A client that connected during the delay goes on, too, until an answer tells it to close its connection. A connection
  // on which no request comes gets no answer, so it stays open for delayMs more.
  const lateClosed = (ctx: Context) => connectionsClosed(ctx, late.size === 0 ? 0 : delayMs)
  const drain = await idleWithin(ctx, 'drain', running, workDone, drainMs, lateClosed)
  log.info(ctx, 'drained', { durationMs: drain, ...(await open(running)) })
  if (boundary.active.size + work.active() === 0) return end(ctx, log, running, { delay, drain })

  log.info(ctx, 'cancelling', { ...underWay(running), cancelMs })
  running.cancel(new ServerShutdown())
  const cancel = await idleWithin(ctx, 'cancel', running, workDone, cancelMs)
  log.info(ctx, 'cancelled', { durationMs: cancel, ...(await open(running)) })
  return end(ctx, log, running, { delay, drain, cancel })
}

function underWay({ boundary, work, hasWorkers }: Running): Readonly<Record<string, number>> {
  return { requests: boundary.active.size, ...(hasWorkers && { work: work.active() }) }
}

async function open(running: Running): Promise<Readonly<Record<string, number>>> {
  const { server } = running
  return { ...underWay(running), connections: await promisify(server.getConnections.bind(server))() }
}

function end(
  ctx: Context,
  log: Log,
  { server, boundary, cancel, work }: Running,
  phasesMs: Durations,
): Stopped {
  cancel(new ServerShutdown())
  // An answer that its client does not read is not work: it ends with its connection.
  const working = Array.from(boundary.active).filter((exchange) => exchange.working)
  for (const exchange of working) logAbandoned(ctx, log, exchange)
  const requests = working.map(
    ({ info, startedAt }) => `${info.method} ${info.path} (request ${info.id}, for ${msSince(startedAt)} ms)`,
  )
  const abandoned = [...requests, ...work.unfinished()]
  if (abandoned.length > 0) failSpan(ctx, new WorkAbandoned(abandoned.join(', ')))
  server.closeAllConnections()
  return { abandoned, phasesMs }
}

/** Logs what an operator needs to find the request, and its handler in the code. */
function logAbandoned(ctx: Context, log: Log, exchange: Exchange): void {
  const { info, route, startedAt } = exchange
  const forMs = msSince(startedAt)
  // eslint-disable-next-line context/pass-context -- the request's own context puts its ids into the line
  log.error(exchange.ctx ?? ctx, 'abandoned: a handler did not end with its context', {
    method: info.method,
    path: info.path,
    route: route?.path,
    since: new Date(Date.now() - forMs).toISOString(),
    forMs,
  })
}

/**
 * Waits in a span for `first`, then until no request is under way and `workDone`, for `ms` at most. After `first` it closes
 * connections as they become idle.
 * @returns how long it took
 */
async function idleWithin(
  ctx: Context,
  name: string,
  { server, boundary }: Running,
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
        // Node counts the connection as idle only in the next turn of the event loop.
        setImmediate(() => server.closeIdleConnections())
        if (boundary.active.size === 0) resolve()
      }
      boundary.onIdle()
    })
    await Promise.race([Promise.all([idle, workDone]), ended(waiting)])
  })
  return msSince(startedAt)
}
