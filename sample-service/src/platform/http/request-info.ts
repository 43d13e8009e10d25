import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Context as HonoContext } from 'hono'
import type { Client, RequestInfo } from '../request.ts'
import type { Env } from './handle.ts'
import type { IncomingRequest } from './route.ts'

/** What a context says of the request that it belongs to, before it is routed. */
export function requestInfo(incoming: IncomingMessage, client: Client): RequestInfo {
  return {
    id: requestId(incoming),
    method: incoming.method ?? 'GET',
    path: pathOf(incoming.url ?? '/'),
    route: undefined,
    client,
  }
}

/** The caller's id if it is short and printable, since it goes into logs and into a header of the answer. */
function requestId(incoming: IncomingMessage): string {
  const given = incoming.headers['x-request-id']
  return typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID()
}

/** The target without its query and its origin: a proxy gets `http://user:password@host/path`. */
export function pathOf(url: string): string {
  const query = url.indexOf('?')
  const target = query === -1 ? url : url.slice(0, query)
  return target.startsWith('/') ? target : target.replace(/^[^:/]*:\/\/[^/]*/, '') || '/'
}

/** The request for guards and handlers. A class: with a getter in an object literal, a small request took twice as long. */
export class Incoming implements IncomingRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly #c: HonoContext<Env>

  constructor(c: HonoContext<Env>) {
    const { info, incoming } = c.env
    this.method = info.method
    this.headers = incoming.headers
    this.rawHeaders = incoming.rawHeaders
    this.#c = c
  }

  get body(): Readable {
    return requestBody(this.#c)
  }

  setHeader(name: string, value: string): void {
    this.#c.env.outgoing.setHeader(name, value)
  }

  appendHeader(name: string, value: string): void {
    this.#c.env.outgoing.appendHeader(name, value)
  }
}

/** The ways in which Hono keeps a body that a middleware has read, so that it can be read again as it came. */
const ofBytes: readonly string[] = ['arrayBuffer', 'blob', 'json', 'text']

/**
 * Returns the body of a request as it arrives, or as a middleware of Hono in front of the route has left it: once one has touched
 * `c.req.raw`, the adapter reads Node's stream into its own.
 * @throws Error if a middleware has read it, and kept nothing that can be read again
 */
function requestBody(c: HonoContext<Env>): Readable {
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
