import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Exchange } from './exchange.ts'
import { badRequest, contentTooLarge, Problem, problemBody, requestTimeout } from '../problem.ts'
import type { RequestInfo } from '../request.ts'
import { tooManyHeaders } from './refusal.ts'

/** An error in what a client sent, which Node would answer itself. */
type ParserError = Error & { readonly code?: string; readonly reason?: string }

/**
 * Answers what Node's parser refuses, and CONNECT, with a problem that has an id and a line in the log. If a body is broken, it
 * cancels the context of the request, which the boundary then answers. Behind a request under way, it closes the connection: the
 * client would take the answer for that of the request.
 * @param active returns the requests under way
 * @param headers those of every answer
 * @param onRefused called for each answer that belongs to no request
 * @param open responses of requests under way that are no exchanges
 */
export function answerUnparsed(
  server: Server,
  active: () => Iterable<Exchange>,
  headers: Readonly<Record<string, string>>,
  onRefused: (info: RequestInfo, problem: Problem) => void,
  open: ReadonlySet<ServerResponse> = new Set(),
): void {
  const answering = (socket: Socket) => Array.from(open).some(({ req }) => req.socket === socket)
  function refuse(socket: Socket, method: string, problem: Problem): void {
    const id = randomUUID()
    write(socket, id, problem, headers)
    const client = { address: socket.remoteAddress, scheme: 'http' as const, host: undefined }
    onRefused({ id, method, path: '', client }, problem)
  }

  server.on('clientError', (error: ParserError, socket: Socket) => {
    const problem = problemOf(error)
    const exchange = underWay(active(), socket)
    if (problem === undefined || !socket.writable || answering(socket)) socket.destroy()
    else if (exchange === undefined) refuse(socket, 'unknown', problem)
    // The client has hung up in the middle of its body.
    else if (error.code === 'HPE_INVALID_EOF_STATE') socket.destroy()
    else if (exchange.incoming.complete || exchange.outgoing.headersSent) socket.destroy()
    else if (exchange.route?.hangUp === 'ignore') socket.destroy()
    else {
      // Node reads no more from this connection, even if the request has been refused for another reason.
      exchange.outgoing.shouldKeepAlive = false
      exchange.ctx?.cancel(problem)
    }
  })
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => undefined)
    if (answering(socket) || underWay(active(), socket) !== undefined) {
      socket.destroy()
      return
    }
    refuse(
      socket,
      'CONNECT',
      new Problem(501, 'Not Implemented', 'this is not a proxy: CONNECT is not offered'),
    )
  })
}

function underWay(active: Iterable<Exchange>, socket: Socket): Exchange | undefined {
  for (const exchange of active) {
    if (exchange.incoming.socket === socket && !exchange.closed) return exchange
  }
  return undefined
}

/** Maps the codes that Node answers with 431, 413, 408 and 400; undefined if the client sent nothing wrong. */
function problemOf({ code = '', reason, message }: ParserError): Problem | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return tooManyHeaders()
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return closing(contentTooLarge('the chunk extensions are too large'))
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return requestTimeout('the request did not arrive in time')
  return code.startsWith('HPE_')
    ? closing(badRequest(`this is not HTTP/1.1: ${reason ?? message}`))
    : undefined
}

function closing({ status, title, message }: Problem): Problem {
  return new Problem(status, title, message, { headers: { connection: 'close' } })
}

/** Writes to the socket, since there is no response. */
function write(
  socket: Socket,
  id: string,
  problem: Problem,
  headers: Readonly<Record<string, string>>,
): void {
  const body = problemBody(problem, { requestId: id })
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Date: ${new Date().toUTCString()}`,
    `X-Request-Id: ${id}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
