import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Input, Route } from '../http/route.ts'
import { badRequest } from '../problem.ts'

/** A string of RFC 9651, as the draft has it, or the same without its quotes, as many clients send it. */
const quoted = /^"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"$/
const bare = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255}$/

/** The key of a request; undefined if it has none. @throws Problem 400 for a header that is no key, or comes twice */
export function keyOf({ 'idempotency-key': value }: IncomingHttpHeaders): string | undefined {
  if (value === undefined) return undefined
  // Node joins headers of one name with a comma, which no key without quotes has.
  const text = String(value)
  const key = quoted.exec(text)?.[1] ?? bare.exec(text)?.[0]
  if (key !== undefined) return key
  throw badRequest(
    'Idempotency-Key must be one string of 1 to 255 printable ASCII characters, such as "8e03978e-40d5-43e8-bc93-6894a57f9324"',
  )
}

/** Hashes what a request asks for, as the schemas of its route parsed it. */
export function fingerprintOf({ method, path }: Route, input: Input<unknown, unknown, unknown>): string {
  const asked = JSON.stringify(
    [method, path, input.params, input.query, input.body],
    (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value),
  )
  return createHash('sha256').update(asked).digest('hex')
}
