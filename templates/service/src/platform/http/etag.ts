import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../problem.ts'

/** The ETag of a row that counts its changes in a `version`. It is strong: the same ETag, the same row. */
export function etagOf(version: number): string {
  return `"${version}"`
}

/** What a request has to say on the state of its target. */
export interface Conditional {
  readonly method: string
  readonly headers: IncomingHttpHeaders
}

/** Whether a request has any precondition that is evaluated. */
export function isConditional({ headers }: Conditional): boolean {
  return headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
}

/**
 * What becomes of a request that would else succeed, by its preconditions in the order of RFC 9110, 13.2.2. Those that name
 * a date are ignored, as 13.1.3 and 13.1.4 ask where no answer has a Last-Modified.
 * @param etag that of what is there; undefined if it has none
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
 * For a change of what is there.
 * @throws Problem 412 if a precondition of the request is not met
 */
export function requireMet(request: Conditional, etag: string): void {
  if (precondition(request, etag) !== 'met')
    throw preconditionFailed(`its ETag is ${etag} now: read it again`)
}

/** The versions of a row that a change is meant for: for the `where` of the change itself, so that nothing comes between. */
export interface Versions {
  /** Any, if undefined. */
  readonly only: readonly number[] | undefined
  readonly except: readonly number[]
}

/** Those that meet the preconditions of the request, as `precondition` evaluates them. */
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
 * The same, for a change that would undo another's unseen if its client had not read the row.
 * @throws Problem 428 without an If-Match (RFC 6585)
 */
export function requiredVersions(request: Conditional): Versions {
  if (request.headers['if-match'] !== undefined) return acceptedVersions(request)
  throw new Problem(
    428,
    'Precondition Required',
    'send If-Match with the ETag of what you have read, so that no change of another is undone unseen',
  )
}

/** 412: what is there is not what the request is meant for. */
export function preconditionFailed(detail: string): Problem {
  return new Problem(412, 'Precondition Failed', detail)
}

/** The entity tags of a header, which may hold commas (RFC 9110, 8.8.3). What is none matches none. */
function tagsOf(header: string | undefined): '*' | readonly string[] | undefined {
  if (header === undefined) return undefined
  return header.trim() === '*' ? '*' : (header.match(/(?:W\/)?"[^"]*"/g) ?? [])
}

function weakly(tag: string): string {
  return tag.replace(/^W\//, '')
}

/** An ETag that is not ours is no version. Nine digits fit into an integer of Postgres. */
function versionOf(tag: string): number[] {
  const [, version] = /^"(\d{1,9})"$/.exec(tag) ?? []
  return version === undefined ? [] : [Number(version)]
}
