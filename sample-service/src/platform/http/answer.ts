import { validateHeaderName, validateHeaderValue } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { withoutCancel, withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import {
  bodyOf,
  checkStatus,
  discard,
  framingOf,
  InvalidAnswer,
  headersOf,
  pairsOf,
  release,
  sendable,
  streamed,
} from './answer-body.ts'
import { unread } from './behind.ts'
import { notModified } from './etag.ts'
import type { Exchange } from './exchange.ts'
import { clientLeft, ofHandler, recordFailure, requireAnswer, responseOf } from './failure.ts'
import { begun, checked } from './piped-body.ts'
import type { Problem } from '../problem.ts'
import type { StreamedResponse } from './route.ts'

/** How long an answer may take to send after its context has ended. */
const lateMs = 1_000

/**
 * Sends what a handler returned, unless the client has left.
 * @throws InvalidAnswer, which names the handler, if the status, a header or the length of the answer is invalid; Problem 412
 */
export function answer(
  ctx: Context,
  exchange: Exchange,
  response: Response | StreamedResponse,
): Response | Promise<Response> {
  try {
    const sent = send(ctx, exchange, response)
    return sent instanceof Promise
      ? sent.catch((error: unknown): never => {
          throw ofHandler(exchange, error)
        })
      : sent
  } catch (error) {
    throw ofHandler(exchange, error)
  }
}

/** `stream` sends a body that is a web stream. */
function send(
  ctx: Context,
  exchange: Exchange,
  response: Response | StreamedResponse,
): Response | Promise<Response> {
  requireAnswer(response)
  if (exchange.closed) {
    release(response)
    return RESPONSE_ALREADY_SENT
  }
  const instead = notModified(exchange, response)
  if (instead !== undefined) return whole(exchange, instead, null)
  if (!(response instanceof Response)) return stream(ctx, exchange, response)
  const body = unread(exchange, response)
  if (body instanceof ReadableStream || body instanceof Blob || body instanceof Readable)
    return stream(ctx, exchange, streamed(response, body))
  return whole(exchange, sendable(response, body), body)
}

/**
 * Answers with a whole body, after it has checked that Node will write the answer. The adapter's own Response accepts much
 * that Node refuses, and nobody can catch the error that the adapter then throws.
 */
function whole(exchange: Exchange, response: Response, body: string | Uint8Array | null): Response {
  const { status } = response
  checkStatus(status, body !== null)
  const headers = headersOf(response)
  for (const [name, value] of headers) validate(name, value)
  const length = framingOf(headers)
  if (length !== undefined) checkLength(exchange, status, length, body)
  exchange.answered(status)
  return withHeaders(exchange, response, headers, body)
}

/** The last valid value of each header, which need not be validated again: most answers have the same few values. */
const valid = new Map<string, string>()

/** @throws TypeError if Node would refuse to write the header */
function validate(name: string, value: string): void {
  if (valid.get(name) === value) return
  validateHeaderName(name)
  validateHeaderValue(name, value)
  if (valid.size === 100) valid.clear()
  valid.set(name, value)
}

/**
 * Returns `response` with the headers of every answer; a header that the response sets itself wins. Writing all headers at
 * once takes Node half as long as setting those of every answer first.
 */
function withHeaders(
  exchange: Exchange,
  response: Response,
  own: Iterable<readonly [string, string]>,
  body: string | Uint8Array | null,
): Response {
  const { headers } = exchange
  // Unless `own` is a list, it is a Headers object, which may have several headers of one name.
  if (!Array.isArray(own) || headers === undefined) {
    exchange.setHeaders()
    return response
  }
  for (const [name, value] of own as readonly (readonly [string, string])[])
    headers[name.toLowerCase()] = value
  exchange.headers = undefined
  return new Response(body, { status: response.status, headers })
}

/** An answer to HEAD, or a 304, has no body and may name the length of the body it stands for. @throws InvalidAnswer */
function checkLength(
  { info }: Exchange,
  status: number,
  length: string,
  body: string | Uint8Array | null,
): void {
  if (body === null && (info.method === 'HEAD' || status === 304)) return
  const bytes = body === null ? 0 : Buffer.byteLength(body)
  if (length !== String(bytes))
    throw new InvalidAnswer(`it has ${bytes} bytes, and its Content-Length is ${length}`)
}

/**
 * Pipes a body under ctx. If the body breaks off, or its length differs from that in its headers, the connection closes:
 * the client has no other way to notice.
 */
async function stream(ctx: Context, exchange: Exchange, response: StreamedResponse): Promise<Response> {
  const { body, headers, status } = response
  // ctx may have ended already: behind compress(), the problem that says why is a stream too.
  using late = ctx.err === undefined ? undefined : withTimeout(withoutCancel(ctx), lateMs)
  const sending = late ?? ctx
  try {
    checkStatus(status, true)
    const pairs = pairsOf(headers)
    const length = framingOf(pairs)
    if (exchange.info.method === 'HEAD') {
      discard(body)
      return whole(exchange, new Response(null, { status, headers: pairs }), null)
    }
    const beginning = begun(body)
    if (beginning !== undefined) await until(sending, beginning)
    if (exchange.closed) discard(body)
    else {
      writeHead(exchange, status, headers)
      const bytes = length === undefined ? undefined : Number(length)
      await pipeline(body, checked(bytes), exchange.outgoing, { signal: sending.signal })
    }
    return RESPONSE_ALREADY_SENT
  } catch (error) {
    discard(body)
    throw error
  }
}

/** @throws TypeError if Node refuses a header; then those of every answer are left */
function writeHead(exchange: Exchange, status: number, headers: StreamedResponse['headers']): void {
  const ofEveryAnswer = exchange.headers
  const { outgoing } = exchange
  try {
    outgoing.writeHead(status, headers)
    exchange.answered(status)
  } catch (error) {
    // It has set the status and the headers before the refused one.
    for (const name of Object.keys(headers)) outgoing.removeHeader(name)
    outgoing.statusMessage = ''
    exchange.headers = ofEveryAnswer
    throw error
  }
}

/** Sends the problem for `error`, unless the answer has begun or the client has left. */
export function fail(ctx: Context, exchange: Exchange, error: unknown): Response {
  if (clientLeft(ctx)) return RESPONSE_ALREADY_SENT
  const problem = recordFailure(ctx, exchange, error)
  const { outgoing } = exchange
  if (exchange.closed || outgoing.headersSent) {
    if (!exchange.closed) outgoing.destroy()
    return RESPONSE_ALREADY_SENT
  }
  try {
    return sendProblem(ctx, exchange, problem)
  } catch (unsendable) {
    return sendProblem(ctx, exchange, recordFailure(ctx, exchange, ofHandler(exchange, unsendable)))
  }
}

function sendProblem(ctx: Context, exchange: Exchange, problem: Problem): Response {
  const response = responseOf(ctx, exchange, problem)
  return whole(exchange, response, bodyOf(response) as string)
}
