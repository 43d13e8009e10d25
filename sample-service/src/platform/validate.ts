import type { z } from 'zod'

/** What is wrong with a value: at most 100 issues, and how many more there are, or elements nobody has looked at. */
export interface Issues {
  readonly first: readonly Issue[]
  readonly more: number
}

/** Where it stands in the value, and why it was refused. */
export interface Issue {
  readonly path: readonly string[]
  readonly message: string
}

const maxIssues = 100
/** Characters of a name or a message, which may repeat what was sent. */
const maxLength = 500
/**
 * Values within a value, up to which all of its issues are looked for: each may lack as many fields as the schema has.
 * 1 MB of `{},` and ten fields are 3.4 million issues, 6 s and 2 GB.
 */
const maxSearched = 2_000

/** Parses `value`, and stops at the first issue of one that is large: what a failure costs is bounded, as is its answer. */
export function validate<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { readonly data: z.output<S> } | { readonly issues: Issues } {
  // An option of zod's own `validate`, which tells no issues; without it everything here is right, and slow.
  const early = schema.safeParse(value, { abortEarly: true } as object)
  if (early.success) return { data: early.data }
  if (!isLarge(value)) {
    const whole = schema.safeParse(value)
    if (!whole.success) return { issues: firstOf(whole.error, 0) }
  }
  return { issues: firstOf(early.error, unsearched(value, early.error.issues[0]?.path ?? [])) }
}

function firstOf({ issues }: z.ZodError, unsearched: number): Issues {
  const first = issues.slice(0, maxIssues).map(({ path, message }) => ({
    path: path.map((part) => cut(String(part))),
    message: cut(message),
  }))
  return { first, more: issues.length - first.length + unsearched }
}

function cut(text: string): string {
  // Not within a surrogate pair: its half would be no text.
  return text.length > maxLength ? `${text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, '')}…` : text
}

function isLarge(top: unknown): boolean {
  let count = 0
  const left = [top]
  while (left.length > 0) {
    const value = left.pop()
    if (typeof value !== 'object' || value === null) continue
    const inner: readonly unknown[] = Object.values(value)
    count += inner.length
    if (count > maxSearched) return true
    left.push(...inner)
  }
  return false
}

/** The elements behind the one that `path` leads to, of the first array on the way: the search has stopped there. */
function unsearched(top: unknown, path: readonly PropertyKey[]): number {
  let value = top
  for (const part of path) {
    if (Array.isArray(value)) return value.length - 1 - Number(part)
    value = (value as Readonly<Record<PropertyKey, unknown>>)[part]
  }
  return 0
}
