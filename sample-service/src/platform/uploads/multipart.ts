import type { Readable } from 'node:stream'
import { afterFunc, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { errorOf } from '../../context/thrown.ts'
import { pourBody } from './body.ts'
import { refuseCoding } from '../http/input.ts'
import { contentOf, openIntake } from './intake.ts'
import { parsePartHeader } from './part-header.ts'
import { MalformedBody, splitParts } from './parts.ts'
import { badRequest, contentTooLarge, Problem, unsupportedMediaType } from '../problem.ts'
import type { IncomingRequest } from '../http/route.ts'

/** What one upload may take: `UPLOAD_*` in the environment. */
export interface UploadLimits {
  /** Milliseconds for the whole request. */
  readonly timeoutMs: number
  /** Milliseconds that a client may send nothing. */
  readonly stallMs: number
  /** Bytes of one file. */
  readonly maxBytes: number
  readonly maxFiles: number
  /** Files of one request that are stored at a time. */
  readonly workers: number
}

/** One file of a request, while it arrives. */
export interface IncomingFile {
  /** Of any script, without a path, at most 255 bytes of UTF-8; `unnamed` if the client gave none. */
  readonly name: string
  /** As the client says, where it is a media type; else `application/octet-stream`. */
  readonly contentType: string
  /** Read it to its end, or destroy it. It is destroyed with the reason when the request ends early. */
  readonly content: Readable
}

/** Which files are expected, and how many of what size. */
export interface FilesExpected {
  readonly field: string
  readonly limits: UploadLimits
}

/** The header of a part; also what may stand before the first part and after the last. */
const overheadBytes = 64 * 1024
/** https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1 */
const maxBoundaryLength = 70

/**
 * Hands each file in `field` to `onFile` as soon as its header is there, and resolves when the body has ended as a
 * multipart body should. The client is read no faster than the files are: none is ever in memory as a whole.
 *
 * Nothing is dropped in silence: a part that is no file in `field` is refused. On rejection every file that is still
 * open has been destroyed with the same reason, and the rest of the body is left unread.
 * @throws Problem 400, 408, 413 or 415; the cause of ctx when it ends first; what a file was destroyed with
 */
export async function readFiles(
  ctx: Context,
  request: IncomingRequest,
  expected: FilesExpected,
  onFile: (incoming: IncomingFile) => void,
): Promise<void> {
  const { stallMs, maxBytes, maxFiles } = expected.limits
  const boundary = boundaryOf(request.headers['content-type'] ?? 'none')
  refuseCoding(request)

  using both = group(ctx)
  const files = openFiles(boundary, expected, onFile)
  both.go((ctx) => files.read(ctx))
  both.go((ctx) =>
    pourBody(ctx, request.body, files.writable, {
      stallMs,
      maxBytes: maxFiles * (maxBytes + overheadBytes) + overheadBytes,
      tooLarge: `the body is larger than ${maxFiles} files (UPLOAD_MAX_FILES) of ${maxBytes} bytes (UPLOAD_MAX_BYTES)`,
    }),
  )
  await both.wait()
}

/** A file whose bytes are arriving, or have. */
interface OpenFile {
  readonly content: Readable
  readonly nameless: boolean
  size: number
  whole: boolean
}

/** Turns the body that is written to `writable` into files. */
function openFiles(boundary: string, expected: FilesExpected, onFile: (incoming: IncomingFile) => void) {
  const { field, limits } = expected
  const files: OpenFile[] = []
  let settle: ((error?: Error) => void) | undefined

  const parts = splitParts(boundary, {
    header(header) {
      const { name, nameless, contentType } = fileHeader(header, field)
      if (files.length === limits.maxFiles)
        throw contentTooLarge(`more than ${limits.maxFiles} files (UPLOAD_MAX_FILES)`)
      const content = contentOf(intake, (error) => {
        if (!file.whole) settle?.(error)
      })
      const file: OpenFile = { content, nameless, size: 0, whole: false }
      files.push(file)
      onFile({ name, contentType, content })
    },
    content(bytes) {
      const file = currentOf(files)
      file.size += bytes.length
      if (file.size > limits.maxBytes)
        throw contentTooLarge(`a file is larger than ${limits.maxBytes} bytes (UPLOAD_MAX_BYTES)`)
      if (!file.content.push(bytes)) intake.hold(file.content)
    },
    end() {
      const file = currentOf(files)
      if (file.nameless && file.size === 0) throw badRequest(`no file was chosen for the field "${field}"`)
      file.whole = true
      file.content.push(null)
      intake.release(file.content)
    },
  })

  const guarded = (work: () => void): void => {
    // After a failure, the rest of what has arrived is of no use.
    if (settle === undefined) return
    try {
      work()
    } catch (error) {
      settle(problemOfBody(error))
    }
  }
  const intake = openIntake({
    write: (chunk) => guarded(() => parts.write(chunk)),
    end: () =>
      guarded(() => {
        parts.end()
        if (files.length === 0) throw badRequest(`the body has no file in the field "${field}"`)
        settle?.()
      }),
  })

  return {
    writable: intake.writable,
    /** Resolves when the body has ended as it should; else every file that is not read to its end is destroyed. */
    read: (ctx: Context): Promise<void> =>
      new Promise((resolve, reject) => {
        const stop = afterFunc(ctx, (cause) => settle?.(cause))
        settle = (error) => {
          settle = undefined
          stop()
          if (error === undefined) {
            resolve()
            return
          }
          reject(error)
          for (const { content } of files) if (!content.readableEnded) content.destroy(error)
        }
      }),
  }
}

/** The file that the parser is in: it has told its header before. */
function currentOf(files: readonly OpenFile[]): OpenFile {
  const file = files.at(-1)
  if (file === undefined) throw new Error('readFiles: a part without a header')
  return file
}

function problemOfBody(error: unknown): Error {
  if (!(error instanceof MalformedBody)) return errorOf(error)
  const detail = `the body is no complete multipart/form-data: ${error.message}`
  return new Problem(400, 'Bad Request', detail, { cause: error })
}

function fileHeader(header: Readonly<Record<string, readonly string[]>>, expected: string) {
  const { field, name, nameless, contentType } = parsePartHeader(header)
  if (field !== expected) {
    throw badRequest(
      `unknown field "${field.slice(0, 100)}": send files in the field "${expected}", and nothing else`,
    )
  }
  if (name === undefined) {
    throw badRequest(`the field "${field}" holds a value and no file (with curl: -F ${field}=@path)`)
  }
  return { name, nameless, contentType }
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
