import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../problem.ts'
import { pairsOf, release, withoutBody } from './answer-body.ts'
import type { Exchange } from './exchange.ts'
import type { StreamedResponse } from './route.ts'

/** The ETag of a row that counts its changes in a `version`. It is strong: the same ETag means the same row. */
export function etagOf(version: number): string {
  return `"${version}"`
}

/** The part of a request that preconditions need. */
export interface Conditional {
  readonly method: string
  readonly headers: IncomingHttpHeaders
}

/** Whether a request has a precondition that is evaluated. */
export function isConditional({ headers }: Conditional): boolean {
  return headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
}

/**
 * Evaluates the preconditions of a request that would succeed without them, in the order of RFC 9110, 13.2.2. Those with a
 * date are ignored, as 13.1.3 and 13.1.4 require where answers have no Last-Modified.
 * @param etag of the current representation; undefined if it has none
 */
export function precondition(
  { method, headers }: Conditional,
  etag: string | undefined,
): 'met' | 'not modified' | 'failed' {
  const ifMatch = tagsOf(headers['if-match'])
  // If-Match compares strongly: a weak ETag matches nothing (13.1.1).
  if (ifMatch !== undefined && ifMatch !== '*' && !ifMatch.includes(etag ?? '')) return 'failed'
  const ifNoneMatch = tagsOf(headers['if-none-match'])
  const known = ifNoneMatch === '*' || ifNoneMatch?.map(weakly).includes(weakly(etag ?? ''))
  if (known !== true) return 'met'
  return method === 'GET' || method === 'HEAD' ? 'not modified' : 'failed'
}

/**
 * Checks the preconditions of a request that changes an existing representation.
 * @throws Problem 412 if a precondition of the request is not met
 */
export function requireMet(request: Conditional, etag: string): void {
  if (precondition(request, etag) !== 'met')
    throw preconditionFailed(`its ETag is ${etag} now: read it again`)
}

/** The versions of a row that a change may replace. Put them into its own `where`, so that no other change comes between. */
export interface Versions {
  /** Any, if undefined. */
  readonly only: readonly number[] | undefined
  readonly except: readonly number[]
}

/** Returns the versions that meet the preconditions of the request, as `precondition` evaluates them. */
export function acceptedVersions({ headers }: Conditional): Versions {
  const ifMatch = tagsOf(headers['if-match'])
  const ifNoneMatch = tagsOf(headers['if-none-match'])
  if (ifNoneMatch === '*') return { only: [], except: [] }
  return {
    only: ifMatch === undefined || ifMatch === '*' ? undefined : ifMatch.flatMap(versionOf),
    except: ifNoneMatch?.map(weakly).flatMap(versionOf) ?? [],
  }
}

/**
 * Like `acceptedVersions`, for a change that must not silently overwrite another client's change.
 * @throws Problem 428 without an If-Match (RFC 6585)
 */
export function requiredVersions(request: Conditional): Versions {
  if (request.headers['if-match'] !== undefined) return acceptedVersions(request)
  throw new Problem(
    428,
    'Precondition Required',
    'send If-Match with the ETag of what you have read, so that you do not overwrite a change that you have not seen',
  )
}

/** 412: the current state is not the state that the client expects. */
export function preconditionFailed(detail: string): Problem {
  return new Problem(412, 'Precondition Failed', detail)
}

/** The entity tags of a header, which may hold commas (RFC 9110, 8.8.3). Invalid ones are skipped. */
function tagsOf(header: string | undefined): '*' | readonly string[] | undefined {
  if (header === undefined) return undefined
  return header.trim() === '*' ? '*' : (header.match(/(?:W\/)?"[^"]*"/g) ?? [])
}

function weakly(tag: string): string {
  return tag.replace(/^W\//, '')
}

/** The version in an ETag of ours; none in any other. Nine digits fit into an integer of Postgres. */
function versionOf(tag: string): number[] {
  const [, version] = /^"(\d{1,9})"$/.exec(tag) ?? []
  return version === undefined ? [] : [Number(version)]
}

/** The headers of a representation that a 304 repeats (RFC 9110, 15.4.5). It repeats every header that describes none. */
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
