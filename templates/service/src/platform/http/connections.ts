import { Server as NetServer, type Server, type Socket } from 'node:net'
import { withTimeout, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import type { Exchange } from './exchange.ts'
import { checkEveryMs } from './limits.ts'

/**
 * Closes the connection of a client that does not read its answer: once the request's context has ended (its deadline, at
 * the latest), the answer has one to two seconds more. Go: http.Server.WriteTimeout.
 *
 * It looks at all requests under way once a second, because a callback on the context of each request would cost more.
 */
export function cutOffUnread(server: Server, active: Iterable<Exchange>): void {
  let overdue = new Set<Exchange>()
  const timer = setInterval(() => {
    const ended = new Set<Exchange>()
    for (const exchange of active) {
      if (exchange.closed || exchange.ctx?.err === undefined) continue
      if (overdue.has(exchange)) exchange.outgoing.destroy()
      else ended.add(exchange)
    }
    overdue = ended
  }, checkEveryMs)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

/**
 * The open connections that `server` accepts from now on. While the service is not ready, they come from clients that
 * ignore /readyz, such as nginx. If the server closed each connection after its answer, such a client would open one for
 * each request. When the listener closes, the system resets the connections in its queue: in a measurement, nginx lost one
 * request a stop, and it does not repeat a POST. A client that may keep its connection opens none at that moment.
 */
export function lateConnections(server: Server): ReadonlySet<Socket> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return open
}

/**
 * Closes the listener and no connection: http.Server's own close() also closes idle ones.
 * @returns a wait until all connections are closed, for `ms` milliseconds at most, or until ctx ends
 */
export function closeListener(server: Server): (ctx: Context, ms: number) => Promise<void> {
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
  return async (parent, ms) => {
    using ctx = withTimeout(parent, ms)
    await Promise.race([closed, ended(ctx)])
  }
}
