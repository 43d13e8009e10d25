import type { Readable } from 'node:stream'
import { precondition, preconditionFailed, type Conditional } from '../http/etag.ts'
import { rangeNotSatisfiable } from '../problem.ts'
import type { StreamedResponse } from '../http/route.ts'
import type { ByteRange } from '../storage/storage.ts'

/** A stored file that clients download. */
export interface Content {
  readonly name: string
  readonly contentType: string
  readonly size: number
  /** Identifies the bytes: their hash. */
  readonly sha256: string
  /** Called at most once, and only if the answer needs bytes. */
  open(range?: ByteRange): Promise<Readable>
}

/** Returns the ETag of bytes with this hash. */
export function etagOfBytes(sha256: string): string {
  return `"${sha256}"`
}

/**
 * Answers a GET for `content`: 200, 206 for one range, 304 if the client has it already (RFC 9110, 13 and 14). The
 * headers make a browser save the file and never show or run it, because another client sent it.
 * @throws Problem 412, 416
 */
export async function answerContent(
  request: Conditional,
  content: Content,
): Promise<Response | StreamedResponse> {
  const etag = etagOfBytes(content.sha256)
  const always = { etag, 'cache-control': 'private, no-cache' }
  // The boundary checks every answer; checking here as well avoids opening the bytes.
  const asked = precondition(request, etag)
  if (asked === 'failed') throw preconditionFailed(`the ETag of the content is ${etag}`)
  if (asked === 'not modified') return new Response(null, { status: 304, headers: always })

  const range = usableRange(request, etag, content.size)
  const length = range === undefined ? content.size : range.end - range.start + 1
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...always,
      ...(range !== undefined && { 'content-range': `bytes ${range.start}-${range.end}/${content.size}` }),
      'accept-ranges': 'bytes',
      'content-disposition': dispositionOf(content.name),
      'content-length': String(length),
      'content-security-policy': "sandbox; default-src 'none'",
      'content-type': content.contentType,
      'x-content-type-options': 'nosniff',
    },
    body: await content.open(range),
  }
}

/** Only GET has ranges (RFC 9110, 14.2). If-Range compares strongly; a date never matches, as files have none here. */
function usableRange({ method, headers }: Conditional, etag: string, size: number): ByteRange | undefined {
  const ifRange = headers['if-range']
  if (method !== 'GET' || (ifRange !== undefined && ifRange !== etag)) return undefined
  return rangeOf(headers.range, size)
}

/** Returns one range, cut to the size. Returns undefined, which sends all bytes, for several ranges or an unreadable header. */
function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const [, first, last] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || first + last === '') return undefined
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start > end) throw rangeNotSatisfiable(size)
  return { start, end }
}

/** RFC 6266: the name in ASCII for old clients, and in full (RFC 8187) for the others. */
function dispositionOf(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/gu, '_')
  const extended = encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  )
  return `attachment; filename="${ascii}"; filename*=UTF-8''${extended}`
}
