import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How often Node looks for overdue connections. Its default, 30 s, would double the short limits. */
export const checkEveryMs = 1_000
/** Limits the request line with all headers, and the trailers: 431 beyond. Go's DefaultMaxHeaderBytes is 1 MB. */
const maxHeaderBytes = 16 * 1024
/**
 * The most headers of a request, more than proxies add; maxHeaderBytes limits the memory. Node 20 and 22 silently drop the
 * headers beyond `maxHeadersCount`, but frame the body by all of them. So Node lets in one more, and refusal.ts refuses.
 */
export const maxHeaders = 200
/**
 * The server closes every further connection at once. An open one takes a descriptor and, while idle, about 5 KB. If the
 * system grants 20,000 descriptors (`ulimit -n`; a container has a million), enough are left for files and Postgres.
 */
export const maxConnections = 16_384

/** How long a client may take before its request has a context, in milliseconds. */
export interface ReceiveLimits {
  /** From the first byte, or the connection, to the end of the headers: 408 beyond. */
  readonly headersMs: number
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number
  /** The longest deadline that a request can have once its headers have arrived. */
  readonly longestMs: number
}

/**
 * Returns an HTTP server that no client can occupy forever by sending nothing, too slowly or too much.
 *
 * A request's own context ends it before these limits do, and says why (504, 408). The limits end what has no context:
 * headers that do not come, the rest of a body that nobody reads, idle connections.
 * @param onFlood called for each connection that is closed because more than 100 requests waited on it
 */
export function limitedServer(
  { headersMs, keepAliveMs, longestMs }: ReceiveLimits,
  listener: Listener,
  onFlood: (socket: Socket) => void,
): Server {
  const serve = oneAtATime(listener, onFlood)
  const server = createServer(
    {
      connectionsCheckingInterval: checkEveryMs,
      headersTimeout: headersMs,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      // Node counts from the first byte of the headers, the deadline from their end: so the deadline always comes first.
      requestTimeout: headersMs + longestMs + checkEveryMs,
      // Node's default, stated here because a proxy and this server must agree on where a request ends.
      insecureHTTPParser: false,
      // refusal.ts requires it: Node's own answer has no body, and no line in the log.
      requireHostHeader: false,
    },
    serve,
  )
  server.on('checkExpectation', serve)
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    continueWhenRead(incoming, outgoing)
    serve(incoming, outgoing)
  })
  server.maxHeadersCount = maxHeaders + 1
  server.maxConnections = maxConnections
  // No limit on silence: a statement may take as long as the deadline of its request.
  server.timeout = 0
  return server
}

/**
 * Sends `100 Continue` when the body is first read, as Go does. A request that the server refuses by its headers gets none, and
 * its connection closes, because the client may or may not send the body (RFC 9110, 10.1.1).
 */
function continueWhenRead(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const read = incoming._read.bind(incoming)
  outgoing.setHeader('connection', 'close')
  incoming._read = (size) => {
    incoming._read = read
    if (!outgoing.headersSent) {
      outgoing.removeHeader('connection')
      outgoing.writeContinue()
    }
    read(size)
  }
}

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
function oneAtATime(serve: Listener, onFlood: (socket: Socket) => void): Listener {
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
      // Not during the event: right after it, Node flushes the response, which must still be empty.
      queueMicrotask(() => serve(incoming, outgoing))
    })
  }
}
