import { Readable } from 'node:stream'
import type { Context as HonoContext } from 'hono'
import type { Env } from './handle.ts'

/** The ways in which Hono keeps a body that a middleware has read, so that it can be read again as it came. */
const ofBytes: readonly string[] = ['arrayBuffer', 'blob', 'json', 'text']

/**
 * Returns the body of a request as it arrives, or as a middleware of Hono in front of the route has left it: once one has touched
 * `c.req.raw`, the adapter reads Node's stream into its own.
 * @throws Error if a middleware has read it, and kept nothing that can be read again
 */
export function requestBody(c: HonoContext<Env>): Readable {
  const { incoming, info } = c.env
  if (isUntouched(c.req.raw)) return incoming
  if (!c.req.raw.bodyUsed) return Readable.from(bytesOf(c.req.raw.body))
  if (Object.keys(c.req.bodyCache).some((way) => ofBytes.includes(way))) return Readable.from(keptBy(c))
  throw new Error(
    `a middleware has read the body of ${info.method} ${info.path}, so that the route cannot: let it call c.req.text(), c.req.json() or c.req.arrayBuffer(), not c.req.raw or c.req.parseBody()`,
  )
}

/** Whether `raw` is still the adapter's own request. A middleware may have replaced it, or made it begin to read the body. */
function isUntouched(raw: Request): boolean {
  const own = Object.getOwnPropertySymbols(raw).map(({ description }) => description)
  return own.includes('incomingKey') && !own.includes('requestCache') && !raw.bodyUsed
}

async function* bytesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Buffer, void> {
  for await (const bytes of body ?? []) yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

async function* keptBy({ req }: HonoContext<Env>): AsyncGenerator<Buffer, void> {
  yield Buffer.from(await req.arrayBuffer())
}
