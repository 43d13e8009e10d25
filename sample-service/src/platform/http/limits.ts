import { createServer, type RequestListener, type Server } from 'node:http'

/** Node closes who is overdue only when it looks: a limit holds to within this. Its own 30 s would double the short ones. */
export const checkEveryMs = 1_000
/** Bytes of the request line and all headers, and of the trailers: 431 beyond. Go's DefaultMaxHeaderBytes is 1 MB. */
const maxHeaderBytes = 16 * 1024
/**
 * Above the number of headers that proxies add; maxHeaderBytes bounds the memory. Node 20 and 22 silently drop the headers
 * beyond `maxHeadersCount`, after they have read the length of the body out of all of them. So one more is let in, and
 * refusal.ts refuses it.
 */
export const maxHeaders = 200
/**
 * Each costs a descriptor and, idle, about 5 KB. More are closed at once, so that files and Postgres find a descriptor where
 * the system grants 20,000 (`ulimit -n`; a container has a million).
 */
export const maxConnections = 16_384

/** What a client may take of a server before there is a request that has a context, in milliseconds. */
export interface ReceiveLimits {
  /** From the first byte, or the connection, to the end of the headers: 408 beyond. */
  readonly headersMs: number
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number
  /** The longest deadline that a request can have once its headers are there. */
  readonly longestMs: number
}

/**
 * An HTTP server that a client cannot hold for ever by sending nothing, too slowly or too much.
 *
 * Where there is a request, its context ends it first and says why (504, 408). What is set here ends what has no context:
 * headers that do not come, the rest of a body that nobody reads, connections that are kept open.
 */
export function limitedServer(limits: ReceiveLimits, listener: RequestListener): Server {
  const { headersMs, keepAliveMs, longestMs } = limits
  const server = createServer(
    {
      connectionsCheckingInterval: checkEveryMs,
      headersTimeout: headersMs,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      // Counted from the first byte of the headers, and the deadline only from their end: so it is never the first.
      requestTimeout: headersMs + longestMs + checkEveryMs,
      // Said, since it is what keeps this server and a proxy before it of one mind about where a request ends.
      insecureHTTPParser: false,
      // refusal.ts asks for it: Node's own answer has no body, and no line in the log.
      requireHostHeader: false,
    },
    listener,
  )
  server.maxHeadersCount = maxHeaders + 1
  server.maxConnections = maxConnections
  // No limit on silence: a statement may take as long as its request's deadline lets it.
  server.timeout = 0
  return server
}
