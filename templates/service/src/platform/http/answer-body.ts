import { Readable } from 'node:stream'
import zlib from 'node:zlib'
import type { StreamedResponse } from './route.ts'

/** What a handler returned is not an answer of HTTP. */
export class InvalidAnswer extends Error {
  override readonly name = 'InvalidAnswer'
}

/** The statuses whose answers have no body, whatever their headers say (RFC 9110, 15). */
const noBody: ReadonlySet<number> = new Set([204, 205, 304])

/** The headers of a `fetch` Response that describe its own connection (RFC 9110, 7.6.1). */
const ofConnection: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])

const ofEncoded: ReadonlySet<string> = new Set([...ofConnection, 'content-encoding', 'content-length'])

/** The codings that fetch undoes; Node 20 does not know zstd. */
const decodes =
  'createZstdDecompress' in zlib ? /^(?:x-)?(?:gzip|deflate|br|zstd)$/ : /^(?:x-)?(?:gzip|deflate|br)$/

/** Whether `fetch` made the Response and decoded its body, while its headers still describe the encoded one. */
function isDecoded({ url, headers }: Response): boolean {
  const codings =
    headers
      .get('content-encoding')
      ?.toLowerCase()
      .split(/\s*,\s*/) ?? []
  return url !== '' && codings.length > 0 && codings.every((coding) => decodes.test(coding))
}

/** What a Response may be made with; it turns anything else into a stream. */
export type Body = string | Uint8Array | Blob | ReadableStream | null

/** Where the adapter's Response keeps `[status, body, headers]`. */
let kept: symbol | undefined

function partsOf(response: Response): readonly unknown[] | undefined {
  kept ??= Object.getOwnPropertySymbols(response).find(({ description }) => description === 'cache')
  const parts: unknown = kept === undefined ? undefined : Reflect.get(response, kept)
  return Array.isArray(parts) ? parts : undefined
}

/**
 * Returns the headers that a Response was made with. Reading `headers` of the adapter's Response makes a Headers object of the
 * plain one, which costs as much as the rest of a small answer. If the plain one lacks a Content-Type, Headers must add it.
 */
export function headersOf(response: Response): Iterable<readonly [string, string]> {
  const plain = partsOf(response)?.[2]
  if (typeof plain !== 'object' || plain === null || !('content-type' in plain)) return response.headers
  const pairs: [string, unknown][] = Object.entries(plain)
  for (const [, value] of pairs) if (typeof value !== 'string') return response.headers
  return pairs as [string, string][]
}

/**
 * Returns the body that a Response was made with. The `body` of the adapter's Response turns a string into a stream,
 * which costs several times the rest of the answer.
 */
export function bodyOf(response: Response): Body {
  const parts = partsOf(response)
  return parts === undefined ? response.body : (parts[1] as Body)
}

/** Whether a Response was made without headers. Ask before you read `headers`, which makes them. */
export function isBare(response: Response): boolean {
  return partsOf(response)?.[2] === undefined
}

/** Returns `response`, whose body is `body`, in a form that the adapter writes without making a stream. */
export function sendable(response: Response, body: string | Uint8Array | null): Response {
  if (body === null || partsOf(response)?.[1] === body) return response
  const { status, headers } = response
  return new Response(body, { status, headers })
}

/** Converts a Response whose body is a stream. @throws InvalidAnswer if something else has read its body */
export function streamed(response: Response, body: Blob | ReadableStream | Readable): StreamedResponse {
  try {
    if (response.bodyUsed || (body instanceof ReadableStream && body.locked))
      throw new InvalidAnswer('its body has been read already, by the handler or for another answer')
    const { status, headers } = response
    const cookies = headers.getSetCookie()
    const dropped = isDecoded(response) ? ofEncoded : ofConnection
    return {
      status,
      headers: {
        'content-type': 'text/plain; charset=UTF-8',
        ...(body instanceof Blob && { 'content-length': String(body.size) }),
        ...Object.fromEntries(Array.from(headers).filter(([name]) => !dropped.has(name))),
        ...(cookies.length > 0 && { 'set-cookie': cookies }),
      },
      body: body instanceof Readable ? body : Readable.fromWeb(body instanceof Blob ? body.stream() : body),
    }
  } catch (error) {
    if (body instanceof Readable) discard(body)
    else cancel(body)
    throw error
  }
}

/** Releases an answer that nobody reads: its body may hold a file or a connection. */
export function release(response: Response | StreamedResponse): void {
  if (response instanceof Response) cancel(bodyOf(response))
  else if (isAnswer(response)) discard(response.body)
}

/** Whether a handler returned what its type says: in JavaScript it may return anything, or nothing. */
export function isAnswer(returned: unknown): returned is Response | StreamedResponse {
  if (returned instanceof Response) return true
  if (typeof returned !== 'object' || returned === null) return false
  const { headers, body } = returned as Partial<StreamedResponse>
  return typeof headers === 'object' && typeof body?.pipe === 'function'
}

function cancel(body: Body): void {
  // Nobody needs the body, so its failure to cancel does not matter.
  if (body instanceof ReadableStream && !body.locked) body.cancel().catch(() => undefined)
}

/** Destroys a body that nobody reads. It may still fail, and an 'error' event without a listener ends the process. */
export function discard(body: Readable): void {
  body.on('error', () => undefined).destroy()
}

/** The headers that describe a representation (RFC 9110, 8), or how long a copy of it may be kept. */
const ofBody =
  /^(?:content-(?:length|type|encoding|language|range|disposition|location)|accept-ranges|etag|last-modified|cache-control|expires|location|transfer-encoding)$/i

/** The headers of an answer that remain if another body takes the place of its own. */
export function withoutBody(headers: Iterable<readonly [string, string]>): (readonly [string, string])[] {
  return Array.from(headers).filter(([name]) => !ofBody.test(name))
}

/** The headers of a streamed answer as pairs, one for each value. */
export function pairsOf(headers: StreamedResponse['headers']): [string, string][] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  )
}

/**
 * The Content-Length among the headers of an answer; undefined if it has none.
 * @throws InvalidAnswer if they do not tell a client where the body ends (RFC 9112, 6.3)
 */
export function framingOf(headers: Iterable<readonly [string, string]>): string | undefined {
  let length: string | undefined
  for (const [name, value] of headers) {
    const known = name.toLowerCase()
    if (known === 'transfer-encoding' || known === 'trailer')
      throw new InvalidAnswer(`it has a header ${name}, which only the server may set`)
    if (known !== 'content-length') continue
    if (length !== undefined) throw new InvalidAnswer('it has more than one Content-Length')
    if (!/^(?:0|[1-9]\d{0,14})$/.test(value))
      throw new InvalidAnswer(`its Content-Length is '${value}', which is not a number of bytes`)
    length = value
  }
  return length
}

/** Makes the checks that the global Response makes and the adapter's Response leaves out. @throws InvalidAnswer */
export function checkStatus(status: number, hasBody: boolean): void {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new InvalidAnswer(`its status is ${status}, which must be 200 to 599`)
  if (hasBody && noBody.has(status)) throw new InvalidAnswer(`it has the status ${status}, and a body`)
}
