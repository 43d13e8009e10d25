import type { Context as HonoContext } from 'hono'
import type { Context } from '../../context/context.ts'
import { requireAnswer } from './answer.ts'
import { bodyOf, discard, pairsOf, release, streamed, withoutBody } from './answer-body.ts'
import { recordFailure, responseOf } from './failure.ts'
import type { Env } from './handle.ts'
import { lazily } from './lazy-body.ts'
import type { StreamedResponse } from './route.ts'

/**
 * Returns what a handler returned as a Response for the middlewares in front, which they can read and replace. It has the headers
 * that they have set with `c.header()`, which Hono adds to its own Responses only.
 * @throws TypeError if it is no answer
 */
export function answerBehind(c: HonoContext<Env>, returned: Response | StreamedResponse): Response {
  requireAnswer(c.env, returned)
  if (!(returned instanceof Response)) return stream(c, returned)
  const body = bodyOf(returned)
  if (body === null || typeof body === 'string' || body instanceof Uint8Array) return whole(c, returned, body)
  return stream(c, streamed(returned, body))
}

/** The problem for `error`, for the middlewares in front. It takes the place of the answer that there may be, with its headers. */
export function failBehind(ctx: Context, c: HonoContext<Env>, error: unknown): Response {
  const problem = responseOf(ctx, c.env, recordFailure(ctx, c.env, error))
  if (!c.finalized) return whole(c, problem, bodyOf(problem) as string)
  for (const [name, value] of withoutBody(c.res.headers)) {
    if (!problem.headers.has(name)) problem.headers.append(name, value)
  }
  release(c.res)
  // Hono adds the headers of the Response before to a new one, unless there is none.
  c.res = undefined
  return problem
}

/** For a middleware that sets a header, Hono makes a new Response of the body of this one. */
function whole(c: HonoContext<Env>, response: Response, body: string | Uint8Array | null): Response {
  const made = c.newResponse(body as string | Uint8Array<ArrayBuffer> | null, response)
  if (body === null) return made
  let stream: ReadableStream | undefined
  return Object.defineProperty(made, 'body', { get: () => (stream ??= lazily(body)) })
}

function stream(c: HonoContext<Env>, { status, headers, body }: StreamedResponse): Response {
  try {
    return c.newResponse(lazily(body), { status: status as 200, headers: new Headers(pairsOf(headers)) })
  } catch (error) {
    discard(body)
    throw error
  }
}
