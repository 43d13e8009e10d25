import { z } from 'zod'

/*
 * Schemas for input that becomes columns of Postgres. A value that passes is stored as it came; a value that Postgres would
 * refuse or silently change is invalid input. JSON's numbers are floating-point, so a value that they cannot hold exactly
 * travels as text.
 */

/** Neither NUL, which Postgres refuses, nor half of a surrogate pair, which UTF-8 has no bytes for. */
const storable = /^[^\0\p{Cs}]*$/u
const unstorable = 'must be without NUL and without halves of surrogate pairs'

/** A text of at most `most` characters, counted as `varchar(n)` counts them; without `most`, as long as a body may be. */
export function text(most?: number) {
  const any = z.string().regex(storable, unstorable)
  if (most === undefined) return any
  return any
    .refine((value) => Array.from(value).length <= most, `must have at most ${most} characters`)
    .meta({ maxLength: most })
}

/** An `integer`: 32 bits. */
export function integer() {
  return z.int32()
}

/** A `bigint` as text, such as "42": its 64 bits are more than a number of JSON holds. */
export function bigInteger() {
  return z
    .string()
    .regex(/^-?\d{1,19}$/, 'must be a whole number in a string, such as "42"')
    .transform(BigInt)
    .refine((value) => BigInt.asIntN(64, value) === value, 'must have at most 64 bits')
}

/** A `numeric(precision, scale)` as text, such as "12.50": nothing is rounded. */
export function decimal(precision: number, scale: number) {
  const whole = precision === scale ? '0' : `\\d{1,${precision - scale}}`
  const fraction = scale === 0 ? '' : `(\\.\\d{1,${scale}})?`
  return z
    .string()
    .regex(
      new RegExp(`^-?${whole}${fraction}$`),
      `must be a decimal number in a string, with at most ${precision - scale} digits before and ${scale} after the point`,
    )
}

/** A `date` without a time, such as "2026-01-31". ISO 8601 has a year 0, Postgres does not. */
export function date() {
  return z.iso.date().refine((value) => value >= '0001', 'must be in a year from 0001 on')
}

const [firstInstant, lastInstant] = [
  Date.parse('0100-01-01T00:00:00Z'),
  Date.parse('9999-12-31T23:59:59.999Z'),
]

/**
 * A `timestamptz`, such as "2026-01-31T12:00:00Z" or with an offset; kept to the millisecond. JavaScript
 * misreads what Postgres writes for years before 0100: 0001 as 2001.
 */
export function instant() {
  return z.iso
    .datetime({ offset: true })
    .transform((value) => new Date(value))
    .refine(
      (value) => value.getTime() >= firstInstant && value.getTime() <= lastInstant,
      'must be in the years 0100 to 9999, in UTC',
    )
}

/** The most levels of a `jsonb`: with more, Postgres or JSON.stringify may run out of stack. */
const mostLevels = 100

/** A `jsonb`: any JSON but null, which stands for SQL's null. It stays as it came: z.record would drop a key `__proto__`. */
export function json() {
  return z
    .unknown()
    .superRefine((value, check) => {
      const message = whyNotStorable(value)
      if (message !== undefined) check.addIssue(message)
    })
    .meta({ override: { description: 'Any JSON but null' } })
}

/** Why Postgres cannot keep the value as it came; undefined if it can. */
function whyNotStorable(value: unknown): string | undefined {
  return value === undefined || value === null ? 'must be any JSON but null' : whyNotInside(value, mostLevels)
}

function whyNotInside(value: unknown, levels: number): string | undefined {
  if (typeof value === 'string') return storable.test(value) ? undefined : unstorable
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return `must have at most ${mostLevels} levels`
  for (const [key, inner] of Object.entries(value)) {
    const why = whyNotInside(key, levels) ?? whyNotInside(inner, levels - 1)
    if (why !== undefined) return why
  }
  return undefined
}

/** An `integer` in a query string, in decimal digits alone: Number() would take 0x10, 1e1 and blanks. */
export function integerParameter(least = -(2 ** 31), most = 2 ** 31 - 1) {
  return z
    .string()
    .regex(/^-?\d{1,10}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be a whole number from ${least} to ${most}`)
    .meta({ override: { type: 'integer', minimum: least, maximum: most } })
}

/** A `boolean` in a query string: `true` or `false`. */
export function booleanParameter() {
  return z.enum(['true', 'false']).transform((value) => value === 'true')
}
