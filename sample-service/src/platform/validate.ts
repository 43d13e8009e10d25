import { z } from 'zod'
import { issueText } from './issue-text.ts'

// Replaces zod's own texts, such as "Invalid input: expected string, received undefined".
z.config({ localeError: issueText })

/** The issues of a value: the first 100, and how many more there are, or how many elements were not checked. */
export interface Issues {
  readonly first: readonly Issue[]
  readonly more: number
}

/** A place in the value, and why it was refused. */
export interface Issue {
  readonly path: readonly string[]
  readonly message: string
}

const maxIssues = 100
/** Characters of a name or a message, which may repeat the input. */
const maxLength = 500
/**
 * A value with more inner values is checked only up to its first issue: each may lack every field of the schema. With ten
 * fields, 1 MB of `{},` has 3.4 million issues, which take 6 s and 2 GB.
 */
const maxSearched = 2_000

/** Parses `value`. Stops at the first issue of a large value, so that a failure costs little, and its answer is short. */
export function validate<S extends z.core.$ZodType>(
  schema: S,
  value: unknown,
): { readonly data: z.output<S> } | { readonly issues: Issues } {
  if (!isLarge(value)) {
    const whole = z.safeParse(schema, value)
    return whole.success ? { data: whole.data } : { issues: firstOf(whole.error, 0) }
  }
  // abortEarly is an option of zod's `validate`, missing from its types. Without it the result is the same, but slow.
  const early = z.safeParse(schema, value, { abortEarly: true } as object)
  if (early.success) return { data: early.data }
  return { issues: firstOf(early.error, unsearched(value, early.error.issues[0]?.path ?? [])) }
}

function firstOf({ issues }: z.ZodError, unsearched: number): Issues {
  const first = issues
    .slice(0, maxIssues)
    .map(({ path, message }) => ({ path: path.map((part) => cut(String(part))), message: cut(message) }))
  return { first, more: issues.length - first.length + unsearched }
}

function cut(text: string): string {
  // Half of a surrogate pair is not text.
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
    for (const one of inner) if (typeof one === 'object') left.push(one)
  }
  return false
}

/** Counts the elements that were not checked: those after the one at `path`, in the first array on the way to it. */
function unsearched(top: unknown, path: readonly PropertyKey[]): number {
  let value = top
  for (const part of path) {
    if (Array.isArray(value)) return value.length - 1 - Number(part)
    value = (value as Readonly<Record<PropertyKey, unknown>>)[part]
  }
  return 0
}
