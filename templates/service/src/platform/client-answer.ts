import type { z } from 'zod'
import { CallFailed } from './call-failed.ts'
import type { Order } from './client-order.ts'

/** So much of an answer that is no success goes into the log. */
const excerptBytes = 1_000

/** The body as text. @throws CallFailed if it has more than `maxBytes`; the rest is not read */
export async function readText(order: Order, response: Response, maxBytes: number): Promise<string> {
  const { bytes, whole } = await readUpTo(response, maxBytes)
  if (whole) return bytes.toString('utf8')
  throw new CallFailed(`${order.name}: the answer has more than ${maxBytes} bytes`, { how: 'answer' })
}

/** An answer that is no success, as an error with the beginning of what it says. */
export async function refusalOf(order: Order, response: Response): Promise<CallFailed> {
  const { status, headers } = response
  const { bytes } = await readUpTo(response, excerptBytes)
  return new CallFailed(`${order.name}: answered ${status} ${bytes.toString('utf8')}`.trimEnd(), {
    how: 'status',
    status,
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
  })
}

/** @throws CallFailed if it is no JSON, or not what `schema` expects */
export function parseJson<S extends z.ZodType>(order: Order, schema: S, text: string): z.output<S> {
  const result = schema.safeParse(jsonOf(order, text))
  if (result.success) return result.data
  const issues = result.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'all of it'}: ${message}`,
  )
  throw new CallFailed(`${order.name}: the answer is not as expected: ${issues.join('; ')}`, {
    how: 'answer',
    cause: result.error,
  })
}

function jsonOf(order: Order, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CallFailed(`${order.name}: the answer is no JSON`, { how: 'answer', cause: error })
  }
}

/** At most `maxBytes` of the body. Leaving the loop early closes the connection; a body read to its end frees it. */
async function readUpTo(response: Response, maxBytes: number): Promise<{ bytes: Buffer; whole: boolean }> {
  const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? []
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxBytes) return { bytes: Buffer.concat(chunks, maxBytes), whole: false }
  }
  return { bytes: Buffer.concat(chunks), whole: true }
}

/** Seconds, or a date (RFC 9110, 10.2.3). What is neither, or has passed, asks for nothing. */
function retryAfterMs(value: string | null): number | undefined {
  if (value !== null && /^\d+$/.test(value)) return Number(value) * 1_000
  // Every form of a date begins with the day of the week; Date.parse takes much that is none.
  return value !== null && /^[A-Z][a-z]+,? /.test(value) ? Date.parse(value) - Date.now() : undefined
}
