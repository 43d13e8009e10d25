import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What it returns is not waited for: it answers by itself, and so must see to its own failures. */
type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown

/** Requests that may wait on one connection. Each costs about 5 KB, and Node hands over all that one read brings. */
const maxWaiting = 100

/**
 * Hands the requests of a connection to `serve` one after the other where a client sends the next before it has the
 * answer (pipelining), as Go's server does. Node would serve them all at once, and one that waits for its turn to be
 * answered is told nothing when the connection breaks: no 'close', ever. One whose turn does not come is not served.
 *
 * A client that has more than 100 requests waiting loses its connection, and with it what is under way.
 * @param onFlood called once for each connection that is closed for this
 */
export function inTurn(serve: Listener, onFlood: (socket: Socket) => void): Listener {
  const waiting = new WeakMap<Socket, number>()
  return (incoming, outgoing) => {
    // Node gives a response its socket when its turn has come.
    if (outgoing.socket !== null) {
      serve(incoming, outgoing)
      return
    }
    const { socket } = incoming
    // The rest of what one read has brought is parsed although the connection is closed.
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
      // Not within the event: Node goes on to flush what this would already have sent.
      queueMicrotask(() => serve(incoming, outgoing))
    })
  }
}
