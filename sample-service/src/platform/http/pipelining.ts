import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Answers a request. Nobody awaits what it returns, so it handles its own failures. */
export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown

/** How many requests may wait on one connection. Each costs about 5 KB, and Node emits all that one read brings. */
const maxWaiting = 100

/**
 * Serves the requests of a connection one after the other, as Go's server does, even if the client sends the next before
 * it has the answer (pipelining). Node would serve them all at once, and emits no 'close' on a response that has to wait
 * when the connection breaks.
 *
 * A client that has more than 100 requests waiting loses its connection.
 * @param onFlood called once for each connection that is closed for this
 */
export function oneAtATime(serve: Listener, onFlood: (socket: Socket) => void): Listener {
  const waiting = new WeakMap<Socket, number>()
  return (incoming, outgoing) => {
    // Node gives a response its socket when its turn has come.
    if (outgoing.socket !== null) {
      serve(incoming, outgoing)
      return
    }
    const { socket } = incoming
    // Node goes on to parse what it has read from a closed connection.
    if (socket.destroyed) return
    const before = waiting.get(socket) ?? 0
    if (before === maxWaiting) {
      onFlood(socket)
      socket.destroy()
      return
    }
    waiting.set(socket, before + 1)
    outgoing.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
      // After the event: Node then flushes the response, which must still be empty.
      queueMicrotask(() => serve(incoming, outgoing))
    })
  }
}
