import type { z } from 'zod'

/**
 * Says what is wrong with a value, in words that follow its name: `must be at most 100, was 500`. It repeats numbers, but only
 * the length of a text, which may be a password. A message of the schema itself replaces this one.
 */
export function issueText(issue: z.core.$ZodRawIssue): string {
  if (issue.input === undefined) return 'is required'
  switch (issue.code) {
    case 'invalid_type':
      if (nothing.has(issue.expected)) return 'must be left out'
      return `must be ${types[issue.expected] ?? issue.expected}${seen(issue.input)}`
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
    case 'too_big':
      return bounded('at most', 'less than', issue.maximum, issue)
    case 'too_small':
      return bounded('at least', 'more than', issue.minimum, issue)
    case 'invalid_format':
      return `must ${format(issue)}`
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}${seen(issue.input)}`
    case 'unrecognized_keys':
      return `must not have ${issue.keys.map((key) => `"${key}"`).join(', ')}`
    case 'invalid_union':
      return oneOf(issue)
    case 'invalid_key':
    case 'invalid_element':
      return `has an invalid ${issue.code === 'invalid_key' ? 'key' : 'value'}: ${firsts([issue.issues])}`
    default:
      return 'is not valid'
  }
}

const types: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
  date: 'a time',
}

/** What fits no value. */
const nothing = new Set(['never', 'undefined', 'void'])

function seen(input: unknown): string {
  if (Array.isArray(input)) return ', was a list'
  if (typeof input === 'string') return ', was text'
  if (typeof input === 'object' && input !== null) return ', was an object'
  return Number.isNaN(input) ? '' : `, was ${String(input)}`
}

interface Bounded {
  readonly origin: string
  readonly inclusive?: boolean
  readonly exact?: boolean
  readonly input?: unknown
}

function bounded(inclusive: string, exclusive: string, bound: number | bigint, issue: Bounded): string {
  const { origin, input, exact = false } = issue
  const how = exact ? 'exactly' : issue.inclusive === false ? exclusive : inclusive
  if (origin === 'date') return `must be ${how} ${new Date(Number(bound)).toISOString()}`
  const unit = units[origin]
  if (unit === undefined) return `must be ${how} ${bound}${seen(input)}`
  const { length, size = length } = input as { length?: number; size?: number }
  if (size === 0 && bound === 1) return 'must not be empty'
  return `must have ${how} ${bound} ${unit[bound === 1 ? 0 : 1]}, has ${size}`
}

const units: Readonly<Record<string, readonly [one: string, more: string]>> = {
  string: ['character', 'characters'],
  array: ['item', 'items'],
  set: ['item', 'items'],
  map: ['entry', 'entries'],
  file: ['byte', 'bytes'],
}

function format(issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidStringFormat>): string {
  const { format, pattern, prefix, suffix, includes } = issue
  switch (format) {
    case 'regex':
    case 'template_literal':
      return `match ${pattern}`
    case 'starts_with':
      return `begin with ${String(prefix)}`
    case 'ends_with':
      return `end with ${String(suffix)}`
    case 'includes':
      return `contain ${String(includes)}`
    default:
      return `be ${formats[format] ?? format}`
  }
}

const formats: Readonly<Record<string, string>> = {
  email: 'an email address',
  url: 'a URL',
  uuid: 'a UUID',
  guid: 'a UUID',
  datetime: 'a time such as 2026-01-31T12:00:00Z',
  date: 'a date such as 2026-01-31',
  time: 'a time of day such as 12:00:00',
  duration: 'a duration such as P1D',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'an IPv4 network such as 10.0.0.0/8',
  cidrv6: 'an IPv6 network such as 2001:db8::/32',
  hostname: 'a host name',
  e164: 'a phone number such as +4930123456',
  jwt: 'a JWT',
  ulid: 'a ULID',
  emoji: 'an emoji',
}

/** A value that fits none of several schemas, or more than one. */
function oneOf({ options, errors }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidUnion>): string {
  if (Array.isArray(options) && options.length > 0) return `must be one of ${options.map(String).join(', ')}`
  return firsts(errors) || 'must fit one form only'
}

/** What each schema said first. */
function firsts(errors: readonly (readonly z.core.$ZodIssue[])[]): string {
  const said = errors
    .flatMap(([first]) => first ?? [])
    .map(({ path, message }) => [...path, message].join(' '))
  return [...new Set(said)].join(', or ')
}
