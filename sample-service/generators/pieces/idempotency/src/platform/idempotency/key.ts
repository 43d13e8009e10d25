import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { describeRoute, type Input, type Route } from '../http/route.ts'
import { errorOf } from '../../context/thrown.ts'
import { badRequest } from '../problem.ts'

/** A string of RFC 9651, as the draft requires, or the same without quotes, as many clients send it. */
const quoted = /^"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"$/
const bare = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255}$/

/** The key of a request; undefined if it has none. @throws Problem 400 for an invalid or repeated header */
export function keyOf({ 'idempotency-key': value }: IncomingHttpHeaders): string | undefined {
  if (value === undefined) return undefined
  // Node joins headers of one name with a comma, which a key without quotes cannot contain.
  const text = String(value)
  const key = quoted.exec(text)?.[1] ?? bare.exec(text)?.[0]
  if (key !== undefined) return key
  throw badRequest(
    'Idempotency-Key must be one string of 1 to 255 printable ASCII characters, such as "8e03978e-40d5-43e8-bc93-6894a57f9324"',
  )
}

/**
 * The owner of a key, for its column: the principal, or a hash of one that is too long for the index, or that Postgres cannot
 * store. The hash has 128 characters, so no principal is taken for another's hash.
 */
export function scopeOf(principal: string): string {
  if (principal.length < 128 && !principal.includes('\0')) return principal
  return createHash('sha512').update(principal).digest('hex')
}

/**
 * Hashes the parsed input of a request, whatever the order of its properties.
 * @param sender the caller's `Authorization`, if no guard has set a principal
 * @throws TypeError for a parsed value that cannot be compared
 */
export function fingerprintOf(
  route: Route,
  input: Input<unknown, unknown, unknown>,
  sender: string | undefined,
): string {
  const { method, path } = route
  try {
    const asked = JSON.stringify([method, path, input.params, input.query, input.body, sender], comparable)
    return createHash('sha256').update(asked).digest('hex')
  } catch (error) {
    throw new TypeError(`${describeRoute(route)}: ${errorOf(error).message}`, { cause: error })
  }
}

/** JSON has the same form for several of these values: `{}` for each Map, null for NaN. */
function comparable(name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (value instanceof Map || value instanceof Set)
    return [value.constructor.name, ...(value as Set<unknown>)]
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) {
    const { constructor } = value
    throw new TypeError(
      `an idempotent route cannot compare '${name}', a ${constructor.name}: let its schema return JSON, or give the class a toJSON()`,
    )
  }
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
