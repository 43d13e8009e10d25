import { STATUS_CODES } from 'node:http'
import { types } from 'node:util'
import { HTTPException } from 'hono/http-exception'
import { cause, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { ClientDisconnected } from '../causes.ts'
import { Problem, problemBody, problemOf } from '../problem.ts'
import { traceOf } from '../telemetry/span.ts'
import { bodyOf, checkStatus, InvalidAnswer, isAnswer, withoutBody } from './answer-body.ts'
import type { Exchange } from './exchange.ts'
import { describeRoute } from './route.ts'

/** Whether ctx ended because its client left. Then nobody gets a problem, and the log names the cause anyway. */
export function clientLeft(ctx: Context): boolean {
  return cause(ctx) instanceof ClientDisconnected
}

/** Returns the problem for `error`, and keeps for the log what a 5xx hides. */
export function recordFailure(ctx: Context, exchange: Exchange, error: unknown): Problem {
  const thrown = thrownBy(exchange, error)
  const problem = problemOf(ctx, wellFormed(thrown))
  if (problem.status >= 500) exchange.failed(ctx, problem.cause ?? thrown)
  return problem
}

/** A Problem whose status is not a failure is a mistake of the handler. Hono's own error becomes a Problem. */
function wellFormed(thrown: Error): Error {
  const error = thrown instanceof HTTPException ? problemOfHono(thrown) : thrown
  if (!(error instanceof Problem)) return error
  const status: unknown = error.status
  if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599) return error
  const what = typeof status === 'number' ? String(status) : `${JSON.stringify(status)}, a ${typeof status}`
  return new RangeError(`a Problem has the status ${what}, which must be a number from 400 to 599`, {
    cause: error,
  })
}

/** Makes a Problem with the text and the headers that a middleware of Hono, such as bearerAuth, put into its exception. */
function problemOfHono({ status, message, res, cause }: HTTPException): Problem {
  const text = res === undefined ? null : bodyOf(res)
  const title = STATUS_CODES[status] ?? 'Error'
  const detail = message !== '' ? message : typeof text === 'string' && text.length < 500 ? text : title
  const headers = Object.fromEntries(withoutBody(res?.headers ?? []))
  return new Problem(status, title, detail, { headers, cause })
}

/** What a handler threw, as an Error. If it threw another value, the message names the route, since the stack does not. */
export function thrownBy({ route }: Exchange, thrown: unknown): Error {
  const error = errorOf(thrown)
  if (error === thrown || types.isNativeError(thrown) || route === undefined) return error
  const message = `the handler of ${describeRoute(route)} threw a value that is not an Error: ${error.message}`
  return new Error(message, { cause: error.cause })
}

/** Returns the answer to a request that has failed (RFC 9457). */
export function responseOf(ctx: Context, exchange: Exchange, problem: Problem): Response {
  const body = problemBody(problem, { requestId: exchange.info.id, traceId: traceOf(ctx)?.traceId })
  const headers = { 'content-type': 'application/problem+json', ...problem.headers }
  // The adapter's Response takes NaN for 200.
  checkStatus(problem.status, true)
  return new Response(body, { status: problem.status, headers })
}

/** @throws InvalidAnswer if a handler returned what is not an answer */
export function requireAnswer(returned: unknown): void {
  if (isAnswer(returned)) return
  const what = returned === null ? 'null' : typeof returned === 'object' ? 'an object' : typeof returned
  throw new InvalidAnswer(
    `it is ${what}; return a Response, such as Response.json({ … }), or { status, headers, body } with a Readable as its body`,
  )
}

/**
 * Names the handler, which is on no stack: Node and the global Response throw their TypeErrors when the answer is sent, after
 * the handler has returned.
 */
export function ofHandler({ route, handedBack }: Exchange, error: unknown): unknown {
  const own = error instanceof InvalidAnswer
  if (route === undefined || !(own || error instanceof TypeError)) return error
  const what = `what the handler of ${describeRoute(route)} returned${handedBack === undefined ? '' : ', or a middleware made of it,'}`
  const message = `${what} cannot be sent: ${error.message}`
  return new InvalidAnswer(message, { cause: own ? error.cause : error })
}
