import { cause, DeadlineExceeded, type Context } from '../context/context.ts'
import { ClientDisconnected, ServerShutdown } from './causes.ts'

/** One invalid field of a request, and why it was refused. */
export interface InvalidField {
  /** `query.limit`, `body.items.0.price`, `params.id` */
  readonly field: string
  readonly message: string
}

/**
 * An error that a handler throws to be answered as `application/problem+json` (RFC 9457). Any other error is answered
 * with 500 and no internals.
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  readonly title: string
  readonly errors: readonly InvalidField[] | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    title: string,
    detail: string,
    more: {
      errors?: readonly InvalidField[]
      headers?: Readonly<Record<string, string>>
      cause?: unknown
    } = {},
  ) {
    super(detail, { cause: more.cause })
    this.status = status
    this.title = title
    this.errors = more.errors
    this.headers = more.headers ?? {}
  }
}

/** 400: each invalid field, with its place and the reason. */
export function badRequest(detail: string, errors?: readonly InvalidField[]): Problem {
  return new Problem(400, 'Bad Request', detail, errors === undefined ? {} : { errors })
}

/** 404. `detail` says what does not exist: `no document with id …`. */
export function notFound(detail: string): Problem {
  return new Problem(404, 'Not Found', detail)
}

/** 405, with the methods that the path answers (RFC 9110, 15.5.6). */
export function methodNotAllowed(detail: string, allowed: readonly string[]): Problem {
  return new Problem(405, 'Method Not Allowed', detail, { headers: { allow: allowed.join(', ') } })
}

/** 408: the client did not send what it announced in time. */
export function requestTimeout(detail: string): Problem {
  return new Problem(408, 'Request Timeout', detail, { headers: { connection: 'close' } })
}

/** 413. `detail` names the limit and its size. */
export function contentTooLarge(detail: string): Problem {
  return new Problem(413, 'Content Too Large', detail)
}

/** 415. `detail` names the type that was expected. */
export function unsupportedMediaType(detail: string): Problem {
  return new Problem(415, 'Unsupported Media Type', detail)
}

/** 416, with the size that the range must lie in. */
export function rangeNotSatisfiable(size: number): Problem {
  const headers = { 'content-range': `bytes */${size}` }
  return new Problem(416, 'Range Not Satisfiable', `the content has ${size} bytes`, { headers })
}

/** 503: something that the service needs cannot serve now; the client may try again. */
export function unavailable(detail: string, cause?: unknown): Problem {
  return new Problem(503, 'Service Unavailable', detail, { headers: { 'retry-after': '1' }, cause })
}

/** 507: there is no room for the content; the rest of it is not read. Not 503: another instance has the same storage. */
export function insufficientStorage(detail: string, cause: unknown): Problem {
  return new Problem(507, 'Insufficient Storage', detail, { headers: { connection: 'close' }, cause })
}

/** The body of a problem's answer. A client reports the ids, and operators search the log for them. */
export function problemBody(
  problem: Problem,
  ids: { requestId: string; traceId?: string | undefined },
): string {
  const { title, status, message: detail, errors } = problem
  // JSON.stringify leaves out what is undefined.
  return JSON.stringify({ type: 'about:blank', title, status, detail, errors, ...ids })
}

/**
 * Returns the answer to an error of a handler. It asks the context, not the error, whether the context ended the handler:
 * an abort looks different in every library.
 */
export function problemOf(ctx: Context, error: unknown): Problem {
  const ended = cause(ctx)
  if (ended instanceof ServerShutdown) {
    const headers = { 'retry-after': '1', connection: 'close' }
    return new Problem(503, 'Service Unavailable', ended.message, { headers, cause: error })
  }
  if (ended instanceof ClientDisconnected) {
    // The client does not get it. nginx, and so most dashboards, use 499 for a client that left.
    return new Problem(499, 'Client Closed Request', ended.message, { cause: error })
  }
  if (ctx.err === DeadlineExceeded) {
    const detail = 'the request was not finished before its deadline'
    return new Problem(504, 'Gateway Timeout', detail, { cause: error })
  }
  if (error instanceof Problem) return error
  if (carriesProblem(error)) return error.problem
  const detail = 'the service failed; its log has the details'
  return new Problem(500, 'Internal Server Error', detail, { cause: error })
}

/** Whether the error brings its own answer, as CallFailed of platform/client/ does. */
function carriesProblem(error: unknown): error is Error & { readonly problem: Problem } {
  return error instanceof Error && 'problem' in error && error.problem instanceof Problem
}
