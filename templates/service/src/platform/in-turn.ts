import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What it returns is not waited for: it answers by itself, and so must see to its own failures. */
type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown

/**
 * Hands the requests of a connection to `serve` one after the other where a client sends the next before it has the
 * answer (pipelining), as Go's server does. Node would serve them all at once, and one that waits for its turn to be
 * answered is told nothing when the connection breaks: no 'close', ever. One whose turn does not come is not served.
 */
export function inTurn(serve: Listener): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const latest = new WeakMap<Socket, ServerResponse>()
  return (incoming, outgoing) => {
    const { socket } = incoming
    const before = latest.get(socket)
    latest.set(socket, outgoing)
    // An idle connection keeps nothing of its last request.
    outgoing.on('close', () => {
      if (latest.get(socket) === outgoing) latest.delete(socket)
    })
    // Node gives a response its socket when its turn has come.
    if (outgoing.socket !== null || before === undefined) serve(incoming, outgoing)
    else {
      before.once('close', () => {
        if (outgoing.socket !== null) serve(incoming, outgoing)
      })
    }
  }
}
