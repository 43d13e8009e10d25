import type { Server as NodeServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { contextName, withCancel, withTimeout, withValue, type Context } from '../context/context.ts'
import { sleep } from '../context/sleep.ts'
import { until } from '../context/until.ts'
import { ServerShutdown } from './causes.ts'
import { describeExchange } from './exchange.ts'
import { createBoundary, type Boundary, type HttpOptions } from './http.ts'
import { limitedServer } from './limits.ts'
import type { Log } from './log.ts'
import type { Readiness } from './health.ts'
import { inTurn } from './in-turn.ts'
import type { Route } from './route.ts'
import { cutOffUnread } from './unread.ts'

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
   * unwind. Go's http.Server.Shutdown, and the cancelling of its BaseContext.
   * @returns the requests that had to be abandoned, one line each
   */
  stop(ctx: Context, readiness: Readiness, budgets: StopBudgets): Promise<string[]>
}

export interface ListenOptions extends HttpOptions {
  readonly host: string
  /** 0 means any free one. */
  readonly port: number
  /** The longest that a request may take to arrive, its body included. */
  readonly receiveTimeoutMs: number
}

/**
 * Listens. Every request hangs from the server context, which hangs from `root` and not from what a signal ends: a
 * signal closes the door and lets those inside finish. `stop` cancels it. Go: http.Server.BaseContext.
 * @throws Error if the address cannot be bound, or ctx ends before it is
 */
export async function listen(
  ctx: Context,
  root: Context,
  log: Log,
  routes: readonly Route[],
  options: ListenOptions,
): Promise<Server> {
  const serving = withCancel(withValue(root, contextName, 'server'))
  const boundary = createBoundary(serving, log, routes, options)
  const listener = getRequestListener(boundary.fetch as Parameters<typeof getRequestListener>[0])
  const { requestTimeoutMs, receiveTimeoutMs } = options
  const longestMs = Math.max(requestTimeoutMs, receiveTimeoutMs, ...routes.map((r) => r.timeoutMs ?? 0))
  const server = limitedServer({ headersMs: requestTimeoutMs, longestMs }, inTurn(listener))
  cutOffUnread(server, boundary.active)

  try {
    await until(ctx, bind(server, options.host, options.port))
  } catch (error) {
    serving.cancel()
    // It may be bound yet, when ctx ended first.
    server.close()
    throw error
  }
  const { port } = server.address() as AddressInfo

  return {
    port,
    async stop(ctx, readiness, budgets) {
      readiness.accepting = false
      log.info(ctx, 'not ready', { delayMs: budgets.delayMs })
      await sleep(ctx, budgets.delayMs)

      log.info(ctx, 'draining', { requests: boundary.active.size, drainMs: budgets.drainMs })
      close(server, boundary)
      if (!(await idleWithin(ctx, server, boundary, budgets.drainMs))) {
        log.info(ctx, 'cancelling', { requests: boundary.active.size, cancelMs: budgets.cancelMs })
        serving.cancel(new ServerShutdown())
        await idleWithin(ctx, server, boundary, budgets.cancelMs)
      }
      serving.cancel(new ServerShutdown())
      server.closeAllConnections()
      return Array.from(boundary.active, describeExchange)
    },
  }
}

function bind(server: NodeServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      const advice = taken ? 'the port is taken: stop what listens there, or set PORT' : error.message
      reject(new Error(`cannot listen on ${host}:${port}: ${advice}`, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
}

/** No new connections, none kept alive: without `Connection: close` Node goes on serving those that are open. */
function close(server: NodeServer, boundary: Boundary): void {
  server.close()
  boundary.closeConnections()
}

/** Whether no request is under way any more within `ms`. Connections are closed as they fall idle. */
async function idleWithin(
  parent: Context,
  server: NodeServer,
  boundary: Boundary,
  ms: number,
): Promise<boolean> {
  using ctx = withTimeout(parent, ms)
  const idle = new Promise<void>((resolve) => {
    boundary.onIdle = () => {
      // The connection of the response that has ended is idle only in the next turn.
      setImmediate(() => server.closeIdleConnections())
      if (boundary.active.size === 0) resolve()
    }
    boundary.onIdle()
  })
  try {
    await until(ctx, idle)
    return true
  } catch {
    return false
  }
}
