import { pairsOf, release, withoutBody } from './answer-body.ts'
import { isConditional, precondition, preconditionFailed } from './etag.ts'
import type { Exchange } from './exchange.ts'
import type { StreamedResponse } from './route.ts'

/** The headers of a representation that a 304 repeats (RFC 9110, 15.4.5); it repeats all that are of none. */
const kept = ['cache-control', 'content-location', 'date', 'etag', 'expires', 'vary']

/**
 * Evaluates the preconditions of a GET or HEAD against the success that its handler returned (RFC 9110, 13.2.2). Handlers of
 * other methods evaluate them before they change anything.
 * @returns the 304 to send instead of `response`; undefined to send `response`
 * @throws Problem 412
 */
export function notModified(
  { incoming, info }: Exchange,
  response: Response | StreamedResponse,
): Response | undefined {
  if (info.method !== 'GET' && info.method !== 'HEAD') return undefined
  const request = { method: info.method, headers: incoming.headers }
  if (!isConditional(request) || response.status < 200 || response.status > 299) return undefined
  const headers = headersOf(response)
  const etag = headers.get('etag') ?? undefined
  const asked = precondition(request, etag)
  if (asked === 'met') return undefined
  release(response)
  if (asked === 'failed') throw preconditionFailed(`its ETag is ${etag ?? 'none'}`)
  const left = new Headers(withoutBody(headers) as [string, string][])
  for (const name of kept) {
    const value = headers.get(name)
    if (value !== null) left.set(name, value)
  }
  return new Response(null, { status: 304, headers: left })
}

function headersOf(response: Response | StreamedResponse): Headers {
  if (response instanceof Response) return response.headers
  return new Headers(pairsOf(response.headers))
}
