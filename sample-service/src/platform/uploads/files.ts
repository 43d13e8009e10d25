import { once } from 'node:events'
import { Readable } from 'node:stream'
import { until } from '../../context/until.ts'
import type { Context } from '../../context/context.ts'
import { badRequest, contentTooLarge } from '../problem.ts'
import { parsePartHeader } from './part-header.ts'
import type { PartFields } from './parts.ts'

/** Limits of one upload: `UPLOAD_*` in the environment. */
export interface UploadLimits {
  /** Milliseconds for the whole request. */
  readonly timeoutMs: number
  /** Milliseconds that a client may send nothing. */
  readonly stallMs: number
  /** Bytes of one file. */
  readonly maxBytes: number
  readonly maxFiles: number
  /** How many files of one request are stored at the same time. */
  readonly workers: number
}

/** The field that holds the files, and their limits. */
export interface FilesExpected {
  readonly field: string
  readonly limits: UploadLimits
}

/** One file of a request, whose bytes are still arriving. */
export interface IncomingFile {
  /** In any script, without a path, at most 255 bytes of UTF-8; `unnamed` if the client gave no name. */
  readonly name: string
  /** What the client sent if it is a media type, else `application/octet-stream`. */
  readonly contentType: string
  /** Read it to its end, or destroy it. If the request ends early, it is destroyed with the reason. */
  readonly content: Readable
}

/** Bytes of a file that may have arrived before they are read: the client sends on while the disk writes. */
const aheadBytes = 256 * 1024

interface OpenFile {
  readonly content: Readable
  readonly nameless: boolean
  size: number
  /** Whether all of it has arrived. */
  whole: boolean
}

/**
 * Makes a file of each part, and hands it to `onFile`. The functions for `splitParts` throw a Problem for a part that is no
 * file in the field, and for a file beyond the limits.
 * @param onUnread called if a file is closed before all of it has arrived
 */
export function openFiles(
  { field, limits }: FilesExpected,
  onFile: (incoming: IncomingFile) => void,
  onUnread: (reason: Error) => void,
) {
  const files: OpenFile[] = []

  function current(): OpenFile {
    const file = files.at(-1)
    if (file === undefined) throw new Error('openFiles: a part without a header')
    return file
  }

  return {
    header(header: PartFields): void {
      const { name, nameless, contentType } = fileHeader(header, field)
      if (files.length === limits.maxFiles) {
        throw contentTooLarge(`more than ${limits.maxFiles} files (UPLOAD_MAX_FILES)`)
      }
      const content = new Readable({ highWaterMark: aheadBytes, read: () => void content.emit('room') })
      const file: OpenFile = { content, nameless, size: 0, whole: false }
      // An error that comes before the reader listens would end the process.
      content.on('error', () => undefined)
      content.on('close', () => {
        if (file.whole) return
        onUnread(content.errored ?? new Error('a file of the request was not read to its end'))
      })
      files.push(file)
      onFile({ name, contentType, content })
    },
    content(bytes: Buffer): void {
      const file = current()
      file.size += bytes.length
      if (file.size > limits.maxBytes) {
        throw contentTooLarge(`a file is larger than ${limits.maxBytes} bytes (UPLOAD_MAX_BYTES)`)
      }
      file.content.push(bytes)
    },
    end(): void {
      const file = current()
      if (file.nameless && file.size === 0) throw badRequest(`no file was chosen for the field "${field}"`)
      file.whole = true
      file.content.push(null)
    },
    /** Resolves when the file that is arriving takes more bytes. */
    async room(ctx: Context): Promise<void> {
      const file = files.at(-1)
      if (file === undefined || file.whole) return
      const { content } = file
      // Not the result of `push`: the reader may have made room since, and emits 'room' only once.
      if (content.readableLength >= content.readableHighWaterMark) await until(ctx, once(content, 'room'))
    },
    /** Destroys each file that has not been read to its end. */
    destroy(reason: Error): void {
      for (const { content } of files) if (!content.readableEnded) content.destroy(reason)
    },
    /** How many files have begun to arrive. */
    count: () => files.length,
  }
}

function fileHeader(header: PartFields, expected: string) {
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
