import { Readable, Transform } from 'node:stream'
import type { StreamedResponse } from './route.ts'

/** The statuses whose answer has no body, whatever its headers say (RFC 9110, 15). */
export const noBody: ReadonlySet<number> = new Set([204, 205, 304])

/** What the body of an answer may be here. All else is a stream. */
type Body = string | Uint8Array | Blob | ReadableStream | null

/** Where the adapter's Response keeps `[status, body, headers]`. */
let kept: symbol | undefined

/**
 * The body that a Response was made with. To ask the adapter's Response for its `body` would make a stream of a string, and
 * the answer several times as dear.
 */
export function bodyOf(response: Response): Body {
  kept ??= Object.getOwnPropertySymbols(response).find(({ description }) => description === 'cache')
  const made: unknown = kept === undefined ? undefined : Reflect.get(response, kept)
  return Array.isArray(made) ? (made[1] as Body) : response.body
}

/** A Response whose body is a stream, to be piped as any other. @throws TypeError if it can be no such Response */
export function streamed(response: Response, body: Blob | ReadableStream): StreamedResponse {
  try {
    if (response.bodyUsed) throw new TypeError('the body of an answer has been read already')
    const { status, headers } = response
    const cookies = headers.getSetCookie()
    return {
      status,
      headers: {
        'content-type': 'text/plain; charset=UTF-8',
        ...(body instanceof Blob && { 'content-length': String(body.size) }),
        ...Object.fromEntries(headers),
        ...(cookies.length > 0 && { 'set-cookie': cookies }),
      },
      body: Readable.fromWeb(body instanceof Blob ? body.stream() : body),
    }
  } catch (error) {
    cancel(body)
    throw error
  }
}

/** Lets go of an answer that nobody reads: its body may hold a file or a connection. */
export function release(response: Response | StreamedResponse): void {
  if (response instanceof Response) cancel(bodyOf(response))
  else discard(response.body)
}

function cancel(body: Body): void {
  // Nobody waits for a body that is of no use.
  if (body instanceof ReadableStream && !body.locked) body.cancel().catch(() => undefined)
}

/** Lets go of a body that nobody reads. It may fail all the same, and an error event without a listener ends the process. */
export function discard(body: Readable): void {
  body.on('error', () => undefined).destroy()
}

/** Passes on exactly `length` bytes: fails before a byte more, and at the end if there were fewer. */
export function exactly(length: number): Transform {
  let passed = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length
      if (passed > length) done(new Error(`a body has more bytes than its Content-Length, ${length}`))
      else done(null, chunk)
    },
    flush(done) {
      if (passed === length) done()
      else done(new Error(`a body has ${passed} bytes, and a Content-Length of ${length}`))
    },
  })
}
