import { Server as NetServer, type Server, type Socket } from 'node:net'
import { withTimeout, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'

/**
 * The open connections that `server` accepts from now on: while it is not ready, of clients that do not look at /readyz, as
 * nginx does not. Told to close each, such a client opens one for each request, and when the listener closes, the system
 * resets those that were not handed over yet: measured, one request for each stop behind nginx, which does not repeat a
 * POST. A client that may keep its connection opens none at that moment.
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
 * Closes the listener and no connection: http.Server's own close() closes those that are idle, too.
 * @returns a wait until all connections are closed, for `ms` milliseconds at most, or until ctx ends
 */
export function closeListener(server: Server): (ctx: Context, ms: number) => Promise<void> {
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
  return async (parent, ms) => {
    using ctx = withTimeout(parent, ms)
    await Promise.race([closed, ended(ctx)])
  }
}
