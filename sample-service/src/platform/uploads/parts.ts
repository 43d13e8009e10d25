/** What `splitParts` calls, in the order of the body. What one throws ends the splitting. */
export interface PartListener {
  /** Names in lower case, values as latin1: bytes that nobody has decoded. */
  header(header: Readonly<Record<string, readonly string[]>>): void
  /** Some of the part's content. */
  content(bytes: Buffer): void
  end(): void
}

/** A body that is taken apart while it arrives. */
export interface Splitter {
  /** @throws MalformedBody, or what the listener has thrown */
  write(chunk: Buffer): void
  /** @throws MalformedBody if the closing delimiter has not come */
  end(): void
}

/** A body that is no multipart body (RFC 2046, 5.1.1). */
export class MalformedBody extends Error {
  override readonly name = 'MalformedBody'
}

const maxHeaderBytes = 16 * 1024
/** Blanks behind a delimiter, which gateways may have added. */
const maxPadding = 256
const lineEnd = Buffer.from('\r\n')
const headerEnd = Buffer.from('\r\n\r\n')
const [tab, lf, cr, blank, dash] = [0x09, 0x0a, 0x0d, 0x20, 0x2d]

/**
 * Splits a multipart body into its parts (RFC 2046, 5.1.1), and lets none go in silence. A delimiter is a whole line: the
 * boundary, `--` if it is the last, and blanks. A line that only begins so belongs to the content, as Go's mime/multipart has it.
 * Text before the first delimiter and behind the last is passed over, unless it holds the boundary: a part may be in it.
 */
export function splitParts(boundary: string, listener: PartListener): Splitter {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  const mark = delimiter.subarray(lineEnd.length)
  /** The end of what has been passed over: the boundary may begin in it. */
  let passed: Buffer = Buffer.alloc(0)
  let state: 'preamble' | 'header' | 'content' | 'epilogue' = 'preamble'
  // The delimiter begins with a line end, which stands before the body where its first line is one.
  let kept: Buffer = lineEnd
  let skip = 0

  function write(chunk: Buffer): void {
    let rest = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    for (;;) {
      const left = state === 'header' ? afterHeader(rest) : afterDelimiter(rest, false)
      if (left === undefined) return
      rest = left
    }
  }

  /** Takes what is before the next delimiter, and the delimiter. Returns what is behind it; undefined where more is needed. */
  function afterDelimiter(bytes: Buffer, last: boolean): Buffer | undefined {
    const at = bytes.indexOf(delimiter)
    const line = at === -1 ? undefined : lineOf(bytes.subarray(at + delimiter.length), last)
    if (line === undefined) {
      const from = at === -1 ? beginningOf(delimiter, bytes) : at
      take(bytes.subarray(0, from))
      kept = bytes.subarray(from)
      return undefined
    }
    const behind = at + delimiter.length + line.length
    if (line.kind === 'content') {
      take(bytes.subarray(0, behind))
      return bytes.subarray(behind)
    }
    take(bytes.subarray(0, at))
    if (state === 'epilogue') throw new MalformedBody('another delimiter follows its closing one')
    if (state === 'content') listener.end()
    passed = Buffer.alloc(0)
    state = line.kind === 'closing' ? 'epilogue' : 'header'
    return bytes.subarray(behind)
  }

  function take(bytes: Buffer): void {
    if (state !== 'content') {
      const seen = Buffer.concat([passed, bytes])
      if (seen.includes(mark)) throw new MalformedBody('a delimiter is not a line of its own')
      passed = seen.subarray(Math.max(0, seen.length - mark.length))
      return
    }
    if (bytes.length === 0) return
    if (bytes.length > skip) listener.content(bytes.subarray(skip))
    skip = 0
  }

  function afterHeader(bytes: Buffer): Buffer | undefined {
    if (bytes[0] === cr && bytes[1] === lf) throw new MalformedBody('a part has no header')
    const end = bytes.indexOf(headerEnd)
    if ((end === -1 ? bytes.length : end) > maxHeaderBytes) {
      throw new MalformedBody(`the header of a part is larger than ${maxHeaderBytes} bytes`)
    }
    kept = bytes
    if (end === -1) return undefined
    listener.header(headerOf(bytes.toString('latin1', 0, end), `--${boundary}`))
    state = 'content'
    // The empty line before the content is the beginning of the next delimiter where there is no content.
    skip = lineEnd.length
    return bytes.subarray(end + lineEnd.length)
  }

  return {
    write,
    end() {
      if (state !== 'header') afterDelimiter(kept, true)
      if (state !== 'epilogue') throw new MalformedBody('it has no end')
    },
  }
}

/** Where the last bytes begin that may be a delimiter whose rest has yet to come; behind all of them where none may. */
function beginningOf(delimiter: Buffer, bytes: Buffer): number {
  let at = bytes.indexOf(cr, Math.max(0, bytes.length - delimiter.length + 1))
  while (at !== -1 && !bytes.subarray(at).equals(delimiter.subarray(0, bytes.length - at))) {
    at = bytes.indexOf(cr, at + 1)
  }
  return at === -1 ? bytes.length : at
}

/** What a line is that begins with `--` and the boundary, by its rest; undefined where too little of it is there. */
function lineOf(
  rest: Buffer,
  last: boolean,
): { kind: 'delimiter' | 'closing' | 'content'; length: number } | undefined {
  const closing = rest[0] === dash && rest[1] === dash
  let at = closing ? 2 : 0
  while (rest[at] === blank || rest[at] === tab) at++
  if (at > maxPadding) throw new MalformedBody(`a delimiter has more than ${maxPadding} blanks behind it`)
  const cutOff = at === rest.length || (at === rest.length - 1 && (rest[at] === cr || rest[0] === dash))
  if (cutOff && !last) return undefined
  if (closing && (at === rest.length || (rest[at] === cr && rest[at + 1] === lf))) {
    // Its line end may be the beginning of another delimiter.
    return { kind: 'closing', length: at }
  }
  if (rest[at] === cr && rest[at + 1] === lf) return { kind: 'delimiter', length: at + lineEnd.length }
  return { kind: 'content', length: 0 }
}

/** @throws MalformedBody for what is no header field (RFC 5322, 2.2), and for a delimiter before the header's end */
function headerOf(text: string, delimiter: string): Record<string, string[]> {
  const header: Record<string, string[]> = {}
  // A field may go on in the next line, which begins with a blank then.
  for (const line of text.replace(/\r\n(?=[ \t])/g, '').split('\r\n')) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)$/.exec(line) ?? []
    if (name === undefined || value === undefined || line.startsWith(delimiter)) {
      throw new MalformedBody('a part has no readable header')
    }
    const key = name.toLowerCase()
    if (key === 'content-disposition' || key === 'content-type') (header[key] ??= []).push(value)
  }
  return header
}
