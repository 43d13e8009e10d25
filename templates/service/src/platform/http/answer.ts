import { types } from 'node:util'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import {
  bodyOf,
  checked,
  discard,
  framingOf,
  InvalidAnswer,
  headersOf,
  isAnswer,
  noBody,
  pairsOf,
  release,
  streamed,
} from './answer-body.ts'
import { notModified } from './conditional.ts'
import type { Exchange } from './exchange.ts'
import { Problem, problemBody, problemOf } from '../problem.ts'
import { describeRoute, type StreamedResponse } from './route.ts'
import { traceOf } from '../telemetry/span.ts'

/**
 * Sends what a handler returned, unless the client has left.
 * @throws InvalidAnswer, which names the handler, if it cannot be sent as it is: its status, a header, its length; Problem 412
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
  if (!isAnswer(response)) throw returnedNone(response)
  if (exchange.closed) {
    release(response)
    return RESPONSE_ALREADY_SENT
  }
  const instead = notModified(exchange, response)
  if (instead !== undefined) return whole(exchange, instead, null)
  if (!(response instanceof Response)) return stream(ctx, exchange, response)
  const body = bodyOf(response)
  if (body instanceof ReadableStream || body instanceof Blob)
    return stream(ctx, exchange, streamed(response, body))
  return whole(exchange, response, body)
}

/**
 * Answers with a whole body. The adapter replaces the global Response by its own, which accepts much that Node refuses to
 * write; nobody can catch what the adapter throws then.
 */
function whole(exchange: Exchange, response: Response, body: string | Uint8Array | null): Response {
  const { status } = response
  checkStatus(status, body !== null)
  const headers = headersOf(response)
  for (const [name, value] of headers) {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  }
  const length = framingOf(headers)
  if (length !== undefined) checkLength(exchange, status, length, body)
  exchange.answered(status)
  return response
}

/** Without a body, it may be the length of the answer to a GET, or of the answer that a 304 confirms. @throws InvalidAnswer */
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
  const { outgoing } = exchange
  let length: string | undefined
  try {
    checkStatus(status, true)
    const pairs = pairsOf(headers)
    length = framingOf(pairs)
    if (exchange.info.method === 'HEAD') {
      discard(body)
      return whole(exchange, new Response(null, { status, headers: pairs }), null)
    }
    exchange.answered(status)
    outgoing.writeHead(status, headers)
  } catch (error) {
    // Node has refused a header, but has set those before it, and the status.
    for (const name of Object.keys(headers)) outgoing.removeHeader(name)
    outgoing.statusMessage = ''
    discard(body)
    throw error
  }
  const bytes = length === undefined ? undefined : Number(length)
  await pipeline(body, checked(bytes), outgoing, { signal: ctx.signal })
  return RESPONSE_ALREADY_SENT
}

/** Checks as the global Response would. @throws InvalidAnswer */
function checkStatus(status: number, hasBody: boolean): void {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new InvalidAnswer(`its status is ${status}, which must be 200 to 599`)
  if (hasBody && noBody.has(status)) throw new InvalidAnswer(`it has the status ${status}, and a body`)
}

/** Sends the problem for `error`, unless the answer has begun or the client has left. */
export function fail(ctx: Context, exchange: Exchange, error: unknown): Response {
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

/** Returns the problem for `error`, and keeps for the log what a 5xx hides. */
export function recordFailure(ctx: Context, exchange: Exchange, error: unknown): Problem {
  const thrown = thrownBy(exchange, error)
  const problem = problemOf(ctx, wellFormed(thrown))
  if (problem.status >= 500) exchange.failed(problem.cause ?? thrown)
  return problem
}

/** A Problem whose status is no failure is a mistake of the handler. */
function wellFormed(error: Error): Error {
  if (!(error instanceof Problem)) return error
  const status: unknown = error.status
  if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599) return error
  const what = typeof status === 'number' ? String(status) : `${JSON.stringify(status)}, a ${typeof status}`
  return new RangeError(`a Problem has the status ${what}, which must be a number from 400 to 599`, {
    cause: error,
  })
}

/** What a handler threw, as an Error. If it threw another value, the message names the route, since the stack does not. */
export function thrownBy({ route }: Exchange, thrown: unknown): Error {
  const error = errorOf(thrown)
  if (error === thrown || types.isNativeError(thrown) || route === undefined) return error
  const message = `the handler of ${describeRoute(route)} threw a value that is not an Error: ${error.message}`
  return new Error(message, { cause: error.cause })
}

function returnedNone(returned: unknown): InvalidAnswer {
  const what = returned === null ? 'null' : typeof returned === 'object' ? 'an object' : typeof returned
  return new InvalidAnswer(
    `it is ${what}; return a Response, such as Response.json({ … }), or { status, headers, body } with a Readable as its body`,
  )
}

/**
 * Names the handler, which no stack has: a Response is read only when it is sent, and then Node and the global Response throw a
 * TypeError for what they refuse.
 */
function ofHandler({ route }: Exchange, error: unknown): unknown {
  const own = error instanceof InvalidAnswer
  if (route === undefined || !(own || error instanceof TypeError)) return error
  const message = `what the handler of ${describeRoute(route)} returned cannot be sent: ${error.message}`
  return new InvalidAnswer(message, { cause: own ? error.cause : error })
}

/** RFC 9457. */
function sendProblem(ctx: Context, exchange: Exchange, problem: Problem): Response {
  const body = problemBody(problem, { requestId: exchange.info.id, traceId: traceOf(ctx)?.traceId })
  const headers = { 'content-type': 'application/problem+json', ...problem.headers }
  // The adapter's Response takes NaN for 200.
  checkStatus(problem.status, true)
  return whole(exchange, new Response(body, { status: problem.status, headers }), body)
}
