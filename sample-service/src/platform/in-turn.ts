import type { IncomingMessage, ServerResponse } from 'node:http'

/** What it returns is not waited for: it answers by itself, and so must see to its own failures. */
type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown

/**
 * Hands the requests of a connection to `serve` one after the other where a client sends the next before it has the
 * answer (pipelining), as Go's server does. Node would serve them all at once, and one that waits for its turn to be
 * answered is told nothing when the connection breaks: no 'close', ever. One whose turn does not come is not served.
 */
export function inTurn(serve: Listener): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  return (incoming, outgoing) => {
    // Node gives a response its socket when its turn has come.
    if (outgoing.socket !== null) serve(incoming, outgoing)
    // Not within the event: Node goes on to flush what this would already have sent.
    else outgoing.once('socket', () => queueMicrotask(() => serve(incoming, outgoing)))
  }
}
