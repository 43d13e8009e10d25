import { Problem } from './problem.ts'

/** The ETag of a row that counts its changes in a `version`. It is strong: the same ETag, the same row. */
export function etagOf(version: number): string {
  return `"${version}"`
}

/**
 * The versions of a row that a change is meant for, by its If-Match (RFC 9110, 13.1.1): of which the row must have one,
 * or `any` for `*`. An ETag that is weak or not ours is no version, so that nothing may match.
 * @throws Problem 428 without an If-Match (RFC 6585): a change by who has not read the row would undo another's unseen
 */
export function requiredVersions(ifMatch: string | undefined): 'any' | readonly number[] {
  const versions = givenVersions(ifMatch)
  if (versions !== undefined) return versions
  throw new Problem(
    428,
    'Precondition Required',
    'send If-Match with the ETag of what you have read, so that no change of another is undone unseen',
  )
}

/** The same, but any version where there is no If-Match. */
export function acceptedVersions(ifMatch: string | undefined): 'any' | readonly number[] {
  return givenVersions(ifMatch) ?? 'any'
}

/** 412: the row has been changed since the client has read it. */
export function preconditionFailed(detail: string): Problem {
  return new Problem(412, 'Precondition Failed', detail)
}

function givenVersions(ifMatch: string | undefined): 'any' | readonly number[] | undefined {
  if (ifMatch === undefined) return undefined
  if (ifMatch.trim() === '*') return 'any'
  // Nine digits fit into an integer of Postgres.
  return ifMatch.split(',').flatMap((tag) => {
    const [, version] = /^\s*"(\d{1,9})"\s*$/.exec(tag) ?? []
    return version === undefined ? [] : [Number(version)]
  })
}

/** Whether the client has it already, by its If-None-Match, which compares weakly: `W/` makes no difference. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? []
  return tags.includes(etag) || tags.includes('*')
}
