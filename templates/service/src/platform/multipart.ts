import { Dicer } from '@fastify/busboy'
import { Readable } from 'node:stream'
import { afterFunc, type Context } from '../context/context.ts'
import { group } from '../context/group.ts'
import { pourBody } from './body.ts'
import { openIntake, type Intake } from './intake.ts'
import { parsePartHeader } from './part-header.ts'
import { badRequest, contentTooLarge, Problem, unsupportedMediaType } from './problem.ts'
import type { IncomingRequest } from './route.ts'

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
/** What of a file may have arrived before it is read: the client sends on while the disk writes. */
const aheadBytes = 256 * 1024
const parserOptions = {
  maxHeaderPairs: 20,
  // The parser's own back-pressure forgets the writer when the body's end comes while it holds it up. Ours stands in
  // its place: see intake.ts.
  partHwm: Number.MAX_SAFE_INTEGER,
}
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
  const parser = new Dicer({ ...parserOptions, boundary })
  const intake = openIntake(parser)

  using both = group(ctx)
  both.go((ctx) => readParts(ctx, parser, intake, expected, onFile))
  both.go((ctx) =>
    pourBody(ctx, request.body, intake.writable, {
      stallMs,
      maxBytes: maxFiles * (maxBytes + overheadBytes) + overheadBytes,
      tooLarge: `the body is larger than ${maxFiles} files (UPLOAD_MAX_FILES) of ${maxBytes} bytes (UPLOAD_MAX_BYTES)`,
    }),
  )
  await both.wait()
}

/** Turns the parts that `parser` finds into files; resolves after the last one when the closing delimiter was there. */
function readParts(
  ctx: Context,
  parser: Dicer,
  intake: Intake,
  expected: FilesExpected,
  onFile: (incoming: IncomingFile) => void,
): Promise<void> {
  const { maxBytes, maxFiles } = expected.limits
  return new Promise((resolve, reject) => {
    const open = new Set<Readable>()
    let files = 0
    let poured = false
    let parsed = false
    let failed = false

    function fail(error: Error): void {
      failed = true
      stop()
      reject(error)
      for (const content of open) content.destroy(error)
      open.clear()
    }

    function openFile(header: Readonly<Record<string, string[]>>): Readable {
      const { name, contentType } = fileHeader(header, expected.field)
      if (++files > maxFiles) throw contentTooLarge(`more than ${maxFiles} files (UPLOAD_MAX_FILES)`)
      const content = new Readable({ highWaterMark: aheadBytes, read: () => intake.release(content) })
      // Its reader is told as well; but one that has not begun to read has no listener, which would end the process.
      content.on('error', () => undefined)
      content.on('close', () => {
        if (open.has(content))
          fail(content.errored ?? new Error('a file of the request was not read to its end'))
      })
      open.add(content)
      onFile({ name, contentType, content })
      return content
    }

    parser.on('part', (part) => {
      let content: Readable | undefined
      let size = 0
      part.on('header', (header) => {
        // The rest of a chunk is still parsed after a failure in it.
        if (failed) return
        try {
          // The parser's type says object: it makes a list of strings for each name.
          content = openFile(header as Record<string, string[]>)
        } catch (error) {
          fail(error instanceof Error ? error : new Error(String(error)))
        }
      })
      part.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxBytes)
          fail(contentTooLarge(`a file is larger than ${maxBytes} bytes (UPLOAD_MAX_BYTES)`))
        else if (content?.push(chunk) === false) intake.hold(content)
      })
      part.on('end', () => {
        if (content === undefined) fail(malformed('a part has no header'))
        // A part ends early where the body does. By then the parser has reported that, and the file is not open any more.
        else if (open.delete(content)) {
          content.push(null)
          intake.release(content)
        }
        settleIfComplete()
      })
      part.on('error', () => undefined)
    })

    function settleIfComplete(): void {
      if (open.size > 0) return
      if (parsed) {
        stop()
        resolve()
      }
      // A parser that has nothing to say would be waited for until the deadline; busboy's had such bodies
      // (https://github.com/expressjs/multer/pull/1411). Its own last words come before the immediate.
      else if (poured) setImmediate(() => fail(malformed('it has no end')))
    }

    parser.on('error', (error) => fail(malformed(error.message, error)))
    parser.on('prefinish', () => {
      poured = true
      settleIfComplete()
    })
    parser.on('finish', () => {
      parsed = true
      if (files === 0) fail(badRequest(`the body has no file in the field "${expected.field}"`))
      settleIfComplete()
    })
    const stop = afterFunc(ctx, fail)
  })
}

function fileHeader(header: Readonly<Record<string, string[]>>, expected: string) {
  const { field, name, contentType } = parsePartHeader(header)
  if (field !== expected) {
    throw badRequest(
      `unknown field "${field.slice(0, 100)}": send files in the field "${expected}", and nothing else`,
    )
  }
  if (name === undefined) {
    throw badRequest(`the field "${field}" holds a value and no file (with curl: -F ${field}=@path)`)
  }
  return { name, contentType }
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

function malformed(detail: string, cause?: Error): Problem {
  return new Problem(400, 'Bad Request', `the body is no complete multipart/form-data: ${detail}`, { cause })
}
