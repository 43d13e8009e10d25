import { validateHeaderValue } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from '../context/context.ts'
import type { Exchange } from './exchange.ts'
import { isConditional, precondition, preconditionFailed } from './etag.ts'
import { problemBody, problemOf, type Problem } from './problem.ts'
import type { StreamedResponse } from './route.ts'
import { traceOf } from './span.ts'

/**
 * Answers with what a handler returned, unless nobody is there to read it.
 * @throws TypeError if it has a header that cannot be sent; Problem 412
 */
export function answer(exchange: Exchange, response: Response): Response {
  if (exchange.closed) return RESPONSE_ALREADY_SENT
  // The adapter's Response, which stands in for the global one, takes any: Node refuses to write it, and what the adapter
  // then throws nobody can catch.
  for (const [name, value] of response.headers) validateHeaderValue(name, value)
  const drop = (): void => {
    response.body?.cancel().catch(() => undefined)
  }
  const instead = conditional(exchange, response.status, response.headers, drop)
  if (instead !== undefined) return answer(exchange, instead)
  exchange.status = response.status
  return response
}

/** Pipes a body under ctx. A body that breaks off takes the connection with it, which is how the client learns of it. */
export async function stream(
  ctx: Context,
  exchange: Exchange,
  response: StreamedResponse,
): Promise<Response> {
  const { body, headers, status } = response
  const { outgoing } = exchange
  if (exchange.closed || exchange.info.method === 'HEAD') {
    discard(body)
    return answer(exchange, new Response(null, { status, headers }))
  }
  const instead = conditional(exchange, status, headers, () => discard(body))
  if (instead !== undefined) return answer(exchange, instead)
  exchange.status = status
  try {
    outgoing.writeHead(status, headers)
  } catch (error) {
    // A header that cannot be sent: Node has taken those before it, and the status.
    for (const name of Object.keys(headers)) outgoing.removeHeader(name)
    outgoing.statusMessage = ''
    discard(body)
    throw error
  }
  await pipeline(body, outgoing, { signal: ctx.signal })
  return RESPONSE_ALREADY_SENT
}

/** Lets go of a body that nobody reads. It may fail all the same, and an error event without a listener ends the process. */
export function discard(body: Readable): void {
  body.on('error', () => undefined).destroy()
}

/** Answers with the problem that `error` is, unless the answer has begun or nobody is there to read it. */
export function fail(ctx: Context, exchange: Exchange, error: unknown): Response {
  const problem = recordFailure(ctx, exchange, error)
  const { outgoing } = exchange
  if (exchange.closed || outgoing.headersSent) {
    if (!exchange.closed) outgoing.destroy()
    return RESPONSE_ALREADY_SENT
  }
  return answer(exchange, problemResponse(ctx, exchange, problem))
}

/** The problem that `error` is; what a 5xx of it hides is kept for the log. */
export function recordFailure(ctx: Context, exchange: Exchange, error: unknown): Problem {
  const problem = problemOf(ctx, error)
  if (problem.status >= 500) exchange.failure = problem.cause ?? error
  return problem
}

/** RFC 9457. */
function problemResponse(ctx: Context, exchange: Exchange, problem: Problem): Response {
  const ids = { requestId: exchange.info.id, traceId: traceOf(ctx)?.traceId }
  return new Response(problemBody(problem, ids), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', ...problem.headers },
  })
}

/** What is sent of an answer's headers where the client has the rest (RFC 9110, 15.4.5). */
const kept = ['cache-control', 'content-location', 'date', 'etag', 'expires', 'vary']

/**
 * What a GET or HEAD is answered with in the place of a success, by its preconditions (RFC 9110, 13.2.2). What another
 * method does is done by now: its handler has evaluated them.
 * @param drop lets go of the body that is not sent
 * @returns a 304; undefined if the success stands
 * @throws Problem 412
 */
function conditional(
  { incoming, info }: Exchange,
  status: number,
  sent: Headers | Readonly<Record<string, string>>,
  drop: () => void,
): Response | undefined {
  const request = { method: info.method, headers: incoming.headers }
  if (!isConditional(request) || status < 200 || status > 299) return undefined
  if (info.method !== 'GET' && info.method !== 'HEAD') return undefined
  const headers = new Headers(sent)
  const etag = headers.get('etag') ?? undefined
  const asked = precondition(request, etag)
  if (asked === 'met') return undefined
  drop()
  if (asked === 'failed') throw preconditionFailed(`its ETag is ${etag ?? 'none'}`)
  const left = kept.flatMap((name): [string, string][] => {
    const value = headers.get(name)
    return value === null ? [] : [[name, value]]
  })
  return new Response(null, { status: 304, headers: left })
}
