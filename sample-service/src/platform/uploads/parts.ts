/** The header of a part. Names are in lower case; values are bytes as latin1, not yet decoded. */
export type PartFields = Readonly<Record<string, readonly string[]>>

/** What `splitParts` calls, in the order of the body. An error that it throws ends the splitting. */
interface PartListener {
  header(header: PartFields): void
  /** Gets the next bytes of the part. */
  content(bytes: Buffer): void
  end(): void
}

/** The body is not a multipart body (RFC 2046, 5.1.1). */
export class MalformedBody extends Error {
  override readonly name = 'MalformedBody'
}

const maxHeaderBytes = 16 * 1024
/** Gateways may add blanks after a delimiter. */
const maxPadding = 256
const lineEnd = Buffer.from('\r\n')
const headerEnd = Buffer.from('\r\n\r\n')
const [tab, lf, cr, blank, dash] = [0x09, 0x0a, 0x0d, 0x20, 0x2d]

/**
 * Splits a multipart body into its parts, while it arrives (RFC 2046, 5.1.1). A delimiter is a whole line: the boundary,
 * `--` after it if it is the closing one, and blanks. As in Go's mime/multipart, a line that only begins with the boundary is
 * content.
 *
 * Text before the first delimiter and after the last is dropped. If that text holds the boundary, a part may be in it,
 * so the body is refused.
 */
export function splitParts(boundary: string, listener: PartListener) {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  let state: 'preamble' | 'header' | 'content' | 'epilogue' = 'preamble'
  /** Bytes that need more bytes after them. It begins with a line end, since the first line may be a delimiter. */
  let kept: Buffer = lineEnd
  /** The end of the text that was dropped: the boundary may begin in it. */
  let dropped: Buffer = Buffer.alloc(0)
  /** Bytes before the content of a part that belong to its header. */
  let skip = 0

  /** @throws MalformedBody, or what the listener throws */
  function write(chunk: Buffer): void {
    let rest: Buffer | undefined = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    while (rest !== undefined) rest = state === 'header' ? readHeader(rest) : readToDelimiter(rest, false)
  }

  /** Takes what comes before the next delimiter, and the delimiter. Returns the rest, or undefined if it needs more bytes. */
  function readToDelimiter(bytes: Buffer, last: boolean): Buffer | undefined {
    const at = bytes.indexOf(delimiter)
    const line = at === -1 ? undefined : lineOf(bytes.subarray(at + delimiter.length), last)
    if (line === undefined) {
      const from = at === -1 ? beginningOf(delimiter, bytes) : at
      take(bytes.subarray(0, from))
      kept = bytes.subarray(from)
      return undefined
    }
    const after = at + delimiter.length + line.length
    if (line.kind === 'content') {
      take(bytes.subarray(0, after))
      return bytes.subarray(after)
    }
    take(bytes.subarray(0, at))
    if (state === 'epilogue') throw new MalformedBody('another delimiter follows its closing one')
    if (state === 'content') listener.end()
    dropped = Buffer.alloc(0)
    state = line.kind === 'closing' ? 'epilogue' : 'header'
    return bytes.subarray(after)
  }

  function take(bytes: Buffer): void {
    if (state !== 'content') dropped = drop(dropped, bytes, delimiter.subarray(lineEnd.length))
    else if (bytes.length > 0) {
      if (bytes.length > skip) listener.content(bytes.subarray(skip))
      skip = 0
    }
  }

  function readHeader(bytes: Buffer): Buffer | undefined {
    const end = endOfHeader(bytes)
    kept = bytes
    if (end === undefined) return undefined
    listener.header(headerOf(bytes.toString('latin1', 0, end), `--${boundary}`))
    state = 'content'
    // If the part is empty, the line end of the empty line is also the beginning of the next delimiter.
    skip = lineEnd.length
    return bytes.subarray(end + lineEnd.length)
  }

  return {
    write,
    /** @throws MalformedBody if the closing delimiter has not come */
    end(): void {
      if (state !== 'header') readToDelimiter(kept, true)
      if (state !== 'epilogue') throw new MalformedBody('it has no end')
    },
  }
}

/** Returns the end of what was dropped, in which `mark` may begin. @throws MalformedBody if the text holds `mark` */
function drop(before: Buffer, bytes: Buffer, mark: Buffer): Buffer {
  const seen = Buffer.concat([before, bytes])
  if (seen.includes(mark)) throw new MalformedBody('a delimiter is not a line of its own')
  return seen.subarray(Math.max(0, seen.length - mark.length))
}

/** Returns where the header of a part ends, or undefined if too few bytes have come. */
function endOfHeader(bytes: Buffer): number | undefined {
  if (bytes[0] === cr && bytes[1] === lf) throw new MalformedBody('a part has no header')
  const end = bytes.indexOf(headerEnd)
  if ((end === -1 ? bytes.length : end) > maxHeaderBytes) {
    throw new MalformedBody(`the header of a part is larger than ${maxHeaderBytes} bytes`)
  }
  return end === -1 ? undefined : end
}

/** Returns the index of the last bytes that may be the beginning of a delimiter, or the length if there are none. */
function beginningOf(delimiter: Buffer, bytes: Buffer): number {
  let at = bytes.indexOf(cr, Math.max(0, bytes.length - delimiter.length + 1))
  while (at !== -1 && !bytes.subarray(at).equals(delimiter.subarray(0, bytes.length - at))) {
    at = bytes.indexOf(cr, at + 1)
  }
  return at === -1 ? bytes.length : at
}

interface Line {
  readonly kind: 'delimiter' | 'closing' | 'content'
  readonly length: number
}

/**
 * Classifies a line that begins with `--` and the boundary, by the bytes after them. Returns undefined if too few bytes
 * have come.
 */
function lineOf(rest: Buffer, last: boolean): Line | undefined {
  const closing = rest[0] === dash && rest[1] === dash
  let at = closing ? 2 : 0
  while (rest[at] === blank || rest[at] === tab) at++
  if (at > maxPadding) throw new MalformedBody(`more than ${maxPadding} blanks follow a delimiter`)
  const cutOff = at === rest.length || (at === rest.length - 1 && (rest[at] === cr || rest[0] === dash))
  if (cutOff && !last) return undefined
  const lineEnds = rest[at] === cr && rest[at + 1] === lf
  // The line end is not part of the closing delimiter: another delimiter may begin with it.
  if (closing && (lineEnds || at === rest.length)) return { kind: 'closing', length: at }
  return lineEnds ? { kind: 'delimiter', length: at + lineEnd.length } : { kind: 'content', length: 0 }
}

/** @throws MalformedBody for a line that is not a header field (RFC 5322, 2.2), and for a delimiter inside the header */
function headerOf(text: string, delimiter: string): Record<string, string[]> {
  const header: Record<string, string[]> = {}
  // A line that begins with a blank continues the field before it.
  for (const line of text.replace(/\r\n(?=[ \t])/g, '').split('\r\n')) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?![ \t])([^\r\n]*)$/.exec(line) ?? []
    if (name === undefined || value === undefined || line.startsWith(delimiter)) {
      throw new MalformedBody('a part has no readable header')
    }
    const key = name.toLowerCase()
    if (key === 'content-disposition' || key === 'content-type') (header[key] ??= []).push(value)
  }
  return header
}
