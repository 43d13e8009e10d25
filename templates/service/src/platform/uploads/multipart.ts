import { cause, throwIfEnded, withCancel, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { refuseCoding } from '../http/input.ts'
import type { IncomingRequest } from '../http/route.ts'
import { badRequest, Problem, unsupportedMediaType } from '../problem.ts'
import { bytesOf, type BodyLimits } from './body.ts'
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
