import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Problem, problemBody, requestTimeout } from '../problem.ts'
import type { RequestInfo } from '../request.ts'
import type { Exchange } from './exchange.ts'
import { maxHeaders } from './limits.ts'

/** A target without percent-encoding. */
const plainTarget = /^\/[\w\-./?=&,:;@!$'()*+~[\]|]*$/

/**
 * Returns why a request is refused before it is routed; undefined if it is not. Node would answer some of these itself,
 * without a body, an id or a line in the log, and change others unseen.
 */
export function refusalOf(incoming: IncomingMessage): Problem | undefined {
  const { headers, rawHeaders, httpVersion, url = '' } = incoming
  const { host, expect } = headers
  // rawHeaders alternates names and values.
  if (rawHeaders.length > 2 * maxHeaders) return tooManyHeaders()
  if (host === undefined && httpVersion === '1.1') return unclear('it names no Host')
  if (repeated(rawHeaders, 'host')) return unclear('it names more than one Host')
  if (expect !== undefined && httpVersion === '1.1' && !/^100-continue$/i.test(expect)) {
    const detail = `the expectation ${expect.slice(0, 100)} is not supported: only 100-continue is`
    return new Problem(417, 'Expectation Failed', detail)
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && !/^chunked$/i.test(coding))
    return closing(501, 'Not Implemented', 'the body has a Transfer-Encoding: only chunked is taken')
  return plainTarget.test(url) ? undefined : refusalOfTarget(url)
}

/** RFC 6585, 5. Node 24 gives this answer itself; older versions drop the excess headers, perhaps Host or Content-Length. */
function tooManyHeaders(): Problem {
  const detail = `the request has more than ${maxHeaders} headers, or more than 16 KB of them`
  return closing(431, 'Request Header Fields Too Large', detail)
}

/** Refuses what the adapter would silently read as another target: raw characters that no URL has, and escapes not in UTF-8. */
function refusalOfTarget(url: string): Problem | undefined {
  if (/[^!-~]|#/.test(url)) return unclear('its target has a character that must be percent-encoded')
  try {
    decodeURIComponent(url)
    return undefined
  } catch {
    return unclear('its target is percent-encoded, but not in UTF-8')
  }
}

/** Whether `raw`, which alternates names and values, has `name` more than once. */
function repeated(raw: readonly string[], name: string): boolean {
  let found = 0
  for (let i = 0; i < raw.length; i += 2) {
    const one = raw[i]
    if (one?.length === name.length && one.toLowerCase() === name) found++
  }
  return found > 1
}

function unclear(why: string): Problem {
  return closing(400, 'Bad Request', `the request cannot be served: ${why}`)
}

/** A problem that closes the connection, too: client and server may disagree on what follows (RFC 9112, 3.2). */
function closing(status: number, title: string, detail: string): Problem {
  return new Problem(status, title, detail, { headers: { connection: 'close' } })
}

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
    return closing(413, 'Content Too Large', 'the chunk extensions are too large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return requestTimeout('the request did not arrive in time')
  return code.startsWith('HPE_')
    ? closing(400, 'Bad Request', `this is not HTTP/1.1: ${reason ?? message}`)
    : undefined
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
