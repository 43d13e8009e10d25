import { isUtf8 } from 'node:buffer'

/** Code that recurses through a deeper value may run out of stack. */
const maxLevels = 200

/** Bytes or text that are invalid, or that cannot be kept unchanged. The message says why. */
export class Undecodable extends Error {
  override readonly name = 'Undecodable'
}

/**
 * Decodes UTF-8. A byte order mark at the beginning is dropped, as RFC 8259, 8.1 and the Encoding standard allow.
 * @throws Undecodable if the bytes are not UTF-8: a decoder that replaces them would change the text unseen
 */
export function decodeText(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  // toString decodes invalid bytes as U+FFFD.
  if (text.includes('\ufffd') && !isUtf8(bytes)) throw new Undecodable('its bytes are not UTF-8')
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/**
 * Whether text of this Content-Type is UTF-8: its charset says so, or it has none.
 * @param contentType `application/json; charset=utf-8`
 */
export function isUtf8Type(contentType: string): boolean {
  const charsets = Array.from(contentType.matchAll(/;\s*charset\s*=\s*"?([^\s;"]*)/gi), ([, name]) => name)
  return charsets.every((name) => /^utf-?8$/i.test(name ?? ''))
}

/**
 * Decodes JSON without changing it. JSON.parse alone rounds a number that a double cannot hold, drops the first of two
 * members with one name, and accepts half a surrogate pair, which UTF-8 cannot encode again (RFC 7493, 2.1 to 2.3: I-JSON).
 * @throws Undecodable if it is not JSON, nests deeper than 200 levels, or would be changed
 */
export function decodeJson(bytes: Buffer): unknown {
  const text = decodeText(bytes)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Undecodable(error instanceof Error ? error.message : String(error), { cause: error })
  }
  const members = checkedMembers(text)
  if (members > 1 && countMembers(value) < members) {
    throw new Undecodable('an object has two members of the same name')
  }
  // In UTF-8, half a pair can only come as an escape. JSON.stringify escapes a surrogate only if it is half a pair.
  if (text.includes('\\u') && surrogate.test(text) && surrogate.test(JSON.stringify(value))) {
    throw new Undecodable('a text has half a surrogate pair')
  }
  return value
}

/** An escaped surrogate. An even number of backslashes before it stand for themselves. */
const surrogate = /(?<!\\)(?:\\\\)*\\ud[89a-f]/i

/**
 * Counts the members of all objects in `text`, which is JSON. It looks at every character, because looking
 * only where a pattern matches was slower.
 * @throws Undecodable for a number that cannot be kept, and for too many levels
 */
function checkedMembers(text: string): number {
  let members = 0
  let levels = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) at = endOfString(text, at)
    else if (code === 0x3a) members++
    else if (code === 0x7b || code === 0x5b) {
      if (++levels > maxLevels) throw new Undecodable(`it nests deeper than ${maxLevels} levels`)
    } else if (code === 0x7d || code === 0x5d) levels--
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const end = endOfNumber(text, at)
      if (!isKept(text, at, end)) {
        const number = text.slice(at, Math.min(end, at + 40))
        throw new Undecodable(`the number ${number} at ${at} cannot be kept exactly: send it as text`)
      }
      at = end - 1
    }
  }
  return members
}

/** Where the string that begins at `start` has its closing quote. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return quote
  }
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1
  // Digits, a point, signs, and the letter of an exponent.
  for (
    let code = text.charCodeAt(end);
    code >= 0x2b && code !== 0x2c && code < 0x66;
    code = text.charCodeAt(end)
  ) {
    if (code > 0x39 && code !== 0x45 && code !== 0x65) break
    end++
  }
  return end
}

/**
 * Whether the number at `start` comes out as it went in. A fraction may have up to 17 digits if the double is the same in
 * each: programs write 0.10000000000000001 for 0.1. A whole number must come out as it is, since it may be an id.
 */
function isKept(text: string, start: number, end: number): boolean {
  // A double keeps 15 digits, and the exponent of a number with fewer than 5 characters is in its range: 9e99.
  if (end - start < 5) return true
  const source = text.slice(start, end)
  if (source.length < 16 && !/e/i.test(source)) return true
  const sent = decimal(source)
  const double = Number(source)
  const kept = decimal(String(double))
  if (sent === undefined || kept === undefined) return false
  if (sent.digits === kept.digits && sent.exponent === kept.exponent) return true
  const { length } = sent.digits
  return sent.exponent < 0 && length <= 17 && decimal(double.toPrecision(length))?.digits === sent.digits
}

/** A number as `digits` times ten to the power of `exponent`, without zeros at either end; '' is zero. */
function decimal(source: string): { digits: string; exponent: number } | undefined {
  const [, whole, fraction = '', power = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? []
  if (whole === undefined) return undefined
  const all = (whole + fraction).replace(/^0+/, '')
  const digits = withoutTrailingZeros(all)
  if (digits === '') return { digits, exponent: 0 }
  return { digits, exponent: Number(power) - fraction.length + all.length - digits.length }
}

function withoutTrailingZeros(digits: string): string {
  let end = digits.length
  while (digits.charCodeAt(end - 1) === 0x30) end--
  return digits.slice(0, end)
}

/** How many members the objects in `top` have. */
function countMembers(top: unknown): number {
  let members = 0
  const left = [top]
  while (left.length > 0) {
    const value = left.pop()
    if (typeof value !== 'object' || value === null) continue
    const inner: readonly unknown[] = Object.values(value)
    if (!Array.isArray(value)) members += inner.length
    for (const one of inner) if (typeof one === 'object') left.push(one)
  }
  return members
}
