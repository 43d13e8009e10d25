import type { Readable } from 'node:stream'
import { cause, throwIfEnded, withCancel, type Context, withTimeout } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { refuseCoding } from '../http/input.ts'
import type { IncomingRequest } from '../http/route.ts'
import { badRequest, Problem, unsupportedMediaType, contentTooLarge, requestTimeout } from '../problem.ts'
import { openFiles, type FilesExpected, type IncomingFile, type UploadLimits } from './files.ts'
import { MalformedBody, splitParts } from './parts.ts'

/** Bytes for the header of a part; also for text before the first part and after the last. */
const overheadBytes = 64 * 1024
/** https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1 */
const maxBoundaryLength = 70

/**
 * Hands each file in `field` to `onFile` as soon as its header has come, and resolves when the whole body has come. It
 * reads the client no faster than the files are read, so no file is ever in memory as a whole.
 *
 * It refuses a part that is not a file in `field`, and drops nothing in silence. When it rejects, it has destroyed every
 * file that was still open with the same reason, and leaves the rest of the body unread.
 * @throws Problem 400, 408, 413 or 415; the cause of ctx when it ends first; the error that a file was destroyed with
 */
export async function readFiles(
  parent: Context,
  request: IncomingRequest,
  expected: FilesExpected,
  onFile: (incoming: IncomingFile) => void,
): Promise<void> {
  const boundary = boundaryOf(request.headers['content-type'] ?? 'none')
  refuseCoding(request)

  using ctx = withCancel(parent)
  const files = openFiles(expected, onFile, (reason) => ctx.cancel(reason))
  const parts = splitParts(boundary, files)
  try {
    for await (const chunk of bytesOf(ctx, request, bodyLimits(expected.limits))) {
      parts.write(chunk)
      await files.room(ctx)
    }
    parts.end()
    if (files.count() === 0) throw badRequest(`the body has no file in the field "${expected.field}"`)
    throwIfEnded(ctx)
  } catch (error) {
    const reason = cause(ctx) ?? problemOf(error)
    files.destroy(reason)
    throw reason
  }
}

function bodyLimits({ stallMs, maxBytes, maxFiles }: UploadLimits): BodyLimits {
  return {
    stallMs,
    maxBytes: maxFiles * (maxBytes + overheadBytes) + overheadBytes,
    tooLarge: `the body is larger than ${maxFiles} files (UPLOAD_MAX_FILES) of ${maxBytes} bytes (UPLOAD_MAX_BYTES)`,
  }
}

function problemOf(error: unknown): Error {
  if (!(error instanceof MalformedBody)) return errorOf(error)
  const detail = `the body is not complete multipart/form-data: ${error.message}`
  return new Problem(400, 'Bad Request', detail, { cause: error })
}

function boundaryOf(contentType: string): string {
  const [type, parameters] = /^\s*multipart\/form-data\s*(;.*)?$/i.exec(contentType) ?? []
  if (type === undefined) throw unsupportedMediaType(`expected multipart/form-data, got ${contentType}`)
  const [, quoted, token] = /;\s*boundary=(?:"([^"]*)"|([^\s;"]*))/i.exec(parameters ?? '') ?? []
  const boundary = quoted ?? token ?? ''
  if (boundary === '' || boundary.length > maxBoundaryLength) {
    throw badRequest(`the Content-Type needs a boundary of 1 to ${maxBoundaryLength} characters`)
  }
  return boundary
}

/** Limits of a body that is read while it arrives. */
export interface BodyLimits {
  /** Milliseconds that the client may send nothing while its bytes are awaited. */
  readonly stallMs: number
  readonly maxBytes: number
  /** The detail of the 413. */
  readonly tooLarge: string
}

/** Fewer bytes than a packet has. Each chunk costs as much as a large one. */
const smallBytes = 1_000

/** What happens while bytes are awaited: some come, the body ends, or the connection is cut. */
const changes = ['readable', 'end', 'close'] as const

/**
 * Yields the bytes of a body, no faster than the caller takes them, and returns once the whole body has come. When it
 * throws, the rest of the body is left unread and the connection stays open for the answer.
 * @throws Problem 400 if the body is cut off, 408 if the client stalls, 413; the cause of ctx when it ends first
 */
export async function* bytesOf(
  ctx: Context,
  request: Pick<IncomingRequest, 'headers' | 'body'>,
  limits: BodyLimits,
): AsyncGenerator<Buffer> {
  const { stallMs, maxBytes, tooLarge } = limits
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw contentTooLarge(tooLarge)
  const { body } = request
  const stalled = requestTimeout(`no byte of the body for ${stallMs} ms`)
  // The error is in body.errored as well; without a listener its event would end the process.
  body.on('error', () => undefined)
  let wake = (): void => undefined
  const onChange = (): void => wake()
  for (const event of changes) body.on(event, onChange)
  let bytes = 0
  let size: number | undefined
  try {
    for (;;) {
      const chunk: unknown = body.read(size)
      size = undefined
      if (Buffer.isBuffer(chunk)) {
        bytes += chunk.length
        if (bytes > maxBytes) throw contentTooLarge(tooLarge)
        yield chunk
        if (chunk.length < smallBytes) size = await gatheredBytes(body)
      } else if (body.readableEnded) {
        return
      } else if (body.destroyed) {
        throw new Problem(400, 'Bad Request', 'the body was cut off', { cause: body.errored ?? undefined })
      } else {
        using arriving = withTimeout(ctx, stallMs, stalled)
        await until(arriving, new Promise<void>((resolve) => (wake = resolve)))
      }
    }
  } finally {
    for (const event of changes) body.off(event, onChange)
  }
}

/**
 * Lets more arrive in this turn of the event loop, since a client may send its bytes one by one. Returns how many bytes to read
 * together: Node 26 reads one chunk unless it is told how many bytes, and for more than the high water mark it raises that.
 */
async function gatheredBytes(body: Readable): Promise<number | undefined> {
  await new Promise<void>((resolve) => setImmediate(resolve))
  return Math.min(body.readableLength, body.readableHighWaterMark) || undefined
}
