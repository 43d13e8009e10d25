import { pairsOf, release } from './answer-body.ts'
import { isConditional, precondition, preconditionFailed } from './etag.ts'
import type { Exchange } from './exchange.ts'
import type { StreamedResponse } from './route.ts'

/** The headers of an answer that a 304 repeats (RFC 9110, 15.4.5). */
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
  const left = kept.flatMap((name): [string, string][] => {
    const value = headers.get(name)
    return value === null ? [] : [[name, value]]
  })
  return new Response(null, { status: 304, headers: left })
}

function headersOf(response: Response | StreamedResponse): Headers {
  if (response instanceof Response) return response.headers
  return new Headers(pairsOf(response.headers))
}
