import type { Context as HonoContext } from 'hono'
import type { Readable } from 'node:stream'
import type { Context } from '../../context/context.ts'
import { bodyOf, discard, isBare, pairsOf, release, streamed, withoutBody, type Body } from './answer-body.ts'
import type { Exchange } from './exchange.ts'
import { ofHandler, recordFailure, requireAnswer, responseOf } from './failure.ts'
import type { Env } from './handle.ts'
import { isBegun, lazily } from './piped-body.ts'
import type { StreamedResponse } from './route.ts'

/**
 * Turns what a handler returned into a Response that the middlewares in front can read and replace. It gets the headers that they
 * have set with `c.header()`, which Hono adds only to a Response that it makes itself.
 * @throws InvalidAnswer, which names the handler, if the handler returned no answer
 */
export function answerBehind(c: HonoContext<Env>, returned: Response | StreamedResponse): Response {
  try {
    requireAnswer(returned)
  } catch (error) {
    throw ofHandler(c.env, error)
  }
  if (!(returned instanceof Response)) return stream(c, returned)
  const body = bodyOf(returned)
  if (body === null || typeof body === 'string' || body instanceof Uint8Array) return whole(c, returned, body)
  return stream(c, streamed(returned, body))
}

/** Returns the problem for `error`, for the middlewares in front. It replaces an earlier answer, and takes over its headers. */
export function failBehind(ctx: Context, c: HonoContext<Env>, error: unknown): Response {
  const problem = responseOf(ctx, c.env, recordFailure(ctx, c.env, error))
  // A middleware that makes a stream of the problem, such as compress(), would lose its `Connection: close`.
  if (problem.headers.get('connection') === 'close') c.env.outgoing.shouldKeepAlive = false
  if (!c.finalized) return whole(c, problem, bodyOf(problem) as string)
  for (const [name, value] of withoutBody(c.res.headers)) {
    if (!problem.headers.has(name)) problem.headers.append(name, value)
  }
  release(c.res)
  // Hono copies the headers of the current Response to the next one, unless it is undefined.
  c.res = undefined
  return problem
}

function whole(c: HonoContext<Env>, response: Response, body: string | Uint8Array | null): Response {
  const prepared = c.newResponse(null)
  if (isBare(prepared)) return handedBack(c, response, body)
  const { headers } = prepared
  const cookies = response.headers.getSetCookie()
  for (const [name, value] of response.headers) if (name !== 'set-cookie') headers.set(name, value)
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return handedBack(c, new Response(body, { status: response.status, headers }), body)
}

function stream(c: HonoContext<Env>, { status, headers, body }: StreamedResponse): Response {
  try {
    const init = { status: status as 200, headers: new Headers(pairsOf(headers)) }
    return handedBack(c, c.newResponse(lazily(body), init), body)
  } catch (error) {
    discard(body)
    throw error
  }
}

function handedBack({ env }: HonoContext<Env>, response: Response, body: Body | Readable): Response {
  env.handedBack = { response, body }
  return response
}

/** Returns the handler's own body if the middlewares have left it unread, which is cheaper to send; else that of `response`. */
export function unread({ handedBack }: Exchange, response: Response): Body | Readable {
  const body = bodyOf(response)
  if (handedBack === undefined || !(body instanceof ReadableStream) || isBegun(body)) return body
  return bodyOf(handedBack.response) === body ? handedBack.body : body
}
