import type { Server } from 'node:http'
import type { Exchange } from './exchange.ts'
import { checkEveryMs } from './limits.ts'

/**
 * Closes the connection of a client that does not read its answer: once the request's context has ended (its deadline, at
 * the latest), the answer has one to two seconds more to leave. Go: http.Server.WriteTimeout.
 *
 * An answer that fits into the buffers of the system has left; of a larger one nobody would ever hear again. This looks at
 * all requests under way once a second, for a callback on each context would be paid for by every request.
 */
export function cutOffUnread(server: Server, active: ReadonlySet<Exchange>): void {
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
