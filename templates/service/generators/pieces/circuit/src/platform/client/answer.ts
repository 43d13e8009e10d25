import type { z } from 'zod'
import { throwIfEnded, withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { CallFailed } from './call-failed.ts'
import type { Order } from './order.ts'
import { gather } from '../gather.ts'
import { decodeJson, decodeText, isUtf8Type, Undecodable } from '../json.ts'
import { validate } from '../validate.ts'

/** How many bytes of a refusal go into the log. */
const excerptBytes = 1_000
/** How long a refusal waits for them, in milliseconds. */
const excerptMs = 500

/** The headers that describe the connection of an answer, besides those that its `connection` names (RFC 9110, 7.6.1). */
const ofConnection = ['connection', 'keep-alive', 'trailer', 'transfer-encoding', 'upgrade']
/** The codings that `fetch` decodes. It leaves them in the headers, with the length of the encoded body. */
const undone = /^(?:(?:x-)?gzip|deflate|br)(?:\s*,\s*(?:(?:x-)?gzip|deflate|br))*$/i

/** The headers that fit the body as `fetch` decoded it, so that both can be passed on. */
export function headersOf(headers: Headers): Headers {
  const left = new Headers(headers)
  const named = Array.from((headers.get('connection') ?? '').matchAll(/[\w-]+/g), ([name]) => name)
  for (const name of [...ofConnection, ...named]) left.delete(name)
  if (!undone.test(left.get('content-encoding') ?? '')) return left
  left.delete('content-encoding')
  left.delete('content-length')
  return left
}

/** The bytes of the body. @throws CallFailed if it has more than `maxBytes`; the rest is not read */
export async function readBytes(order: Order, response: Response, maxBytes: number): Promise<Buffer> {
  const charset = response.headers.get('content-type') ?? ''
  if (!isUtf8Type(charset))
    throw unexpected(order, `the answer is not in UTF-8 but in ${charset.slice(0, 100)}`)
  const { bytes, whole } = await readUpTo(response, maxBytes)
  if (whole) return bytes
  throw unexpected(order, `the answer has more than ${maxBytes} bytes`)
}

/** @throws CallFailed if it is not UTF-8 */
export function parseText(order: Order, bytes: Buffer): string {
  return decoded(order, 'the answer is not text', () => decodeText(bytes))
}

/** Turns an answer that is not a success into an error, which quotes the beginning of the body. @throws the cause of ctx */
export async function refusalOf(ctx: Context, order: Order, response: Response): Promise<CallFailed> {
  const { status, headers } = response
  const excerpt = await excerptOf(ctx, response)
  return new CallFailed(`${order.name}: answered ${status} ${excerpt}`.trimEnd(), {
    how: 'status',
    status,
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
  })
}

/** The beginning of the body, as far as it arrives soon: the status counts, even if the body breaks off or does not end. */
async function excerptOf(parent: Context, { body }: Response): Promise<string> {
  if (body === null) return ''
  using ctx = withTimeout(parent, excerptMs)
  const read = gather()
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader()
  try {
    while (read.size < excerptBytes) {
      const { done, value } = await until(ctx, reader.read())
      if (done) break
      read.add(value)
    }
  } catch {
    throwIfEnded(parent)
  }
  // Closes the connection, unless the body was read to its end.
  reader.cancel().catch(() => undefined)
  return read.bytes().toString('utf8', 0, excerptBytes)
}

/** @throws CallFailed if it is not JSON, has a number that JavaScript cannot keep, or does not match `schema` */
export function parseJson<S extends z.ZodType>(order: Order, schema: S, bytes: Buffer): z.output<S> {
  const result = validate(
    schema,
    decoded(order, 'the answer is not JSON', () => decodeJson(bytes)),
  )
  if ('data' in result) return result.data
  const { first, more } = result.issues
  const issues = first.map(({ path, message }) => `${path.join('.') || 'all of it'}: ${message}`).join('; ')
  throw unexpected(order, `the answer is not as expected: ${issues}${more > 0 ? `; and ${more} more` : ''}`)
}

function decoded<T>(order: Order, what: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (error instanceof Undecodable) throw unexpected(order, `${what}: ${error.message}`, error)
    throw error
  }
}

function unexpected(order: Order, what: string, cause?: Error): CallFailed {
  return new CallFailed(`${order.name}: ${what}`, { how: 'answer', cause })
}

/** At most `maxBytes` of the body. Leaving the loop early closes the connection; a body read to its end frees it. */
async function readUpTo(response: Response, maxBytes: number): Promise<{ bytes: Buffer; whole: boolean }> {
  const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? []
  const read = gather()
  for await (const chunk of body) {
    read.add(chunk)
    if (read.size > maxBytes) return { bytes: read.bytes(), whole: false }
  }
  return { bytes: read.bytes(), whole: true }
}

/** Parses seconds or a date (RFC 9110, 10.2.3); undefined for anything else. */
function retryAfterMs(value: string | null): number | undefined {
  if (value !== null && /^\d+$/.test(value)) return Number(value) * 1_000
  // Every form of a date begins with the day of the week; Date.parse accepts much that is not a date.
  return value !== null && /^[A-Z][a-z]+,? /.test(value) ? Date.parse(value) - Date.now() : undefined
}
