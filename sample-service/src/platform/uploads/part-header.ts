import { decodeText, Undecodable } from '../json.ts'
import { badRequest } from '../problem.ts'
import type { PartFields } from './parts.ts'

/** What the header of one part of a multipart body says. */
export interface PartHeader {
  readonly field: string
  /** Cleaned, never empty; undefined if the part holds a plain value, not a file. */
  readonly name: string | undefined
  /** Whether the client sent no name: browsers do so if the user chose no file. */
  readonly nameless: boolean
  readonly contentType: string
}

const parameter = /\s*;\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/y
/** Blanks are spaces and tabs: \s also matches characters that Node refuses to send in a header. */
const mediaType =
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:[ \t]*;[ \t]*[\w!#$&^.+-]+=(?:[\w!#$&^.+:-]+|"[\w !#$&^.+:;,/-]*"))*$/
const maxContentTypeLength = 255
/** The limit of file systems: a client can save the file under this name. */
const maxNameBytes = 255

/**
 * Reads the header of a part, as parts.ts hands it out.
 * @throws Problem 400 if Content-Disposition is missing, is there twice or cannot be read (RFC 7578, 4.2), or if a name
 * is not in UTF-8
 */
export function parsePartHeader(header: PartFields): PartHeader {
  for (const values of Object.values(header)) {
    if (values.length > 1) throw badRequest('a part of the body has a header twice')
  }
  const parameters = parametersOf(header['content-disposition']?.[0] ?? '')
  const field = parameters?.get('name')
  if (parameters === undefined || field === undefined) {
    throw badRequest('a part of the body has no readable Content-Disposition: form-data with a name')
  }
  const plain = parameters.get('filename')
  const name = extended(parameters.get('filename*')) ?? (plain === undefined ? undefined : textOf(plain))
  if (name === undefined && parameters.has('filename*')) {
    throw badRequest('a part of the body has a filename* that is not in UTF-8 (RFC 8187)')
  }
  const sent = header['content-type']?.[0]?.trim() ?? ''
  return {
    field: textOf(field),
    nameless: (name ?? '').trim() === '',
    name: name === undefined && sent !== 'application/octet-stream' ? undefined : cleanName(name ?? ''),
    contentType: cleanContentType(sent),
  }
}

/**
 * Makes a name safe to store, show and save under: the last segment of a path, without control characters and without
 * those that reverse the direction of text, at most 255 bytes of UTF-8; `unnamed` if nothing is left.
 */
export function cleanName(sent: string): string {
  const last = sent.slice(Math.max(sent.lastIndexOf('/'), sent.lastIndexOf('\\')) + 1)
  const safe = last.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '').trim()
  // `read` counts the whole characters that fit.
  const { read } = new TextEncoder().encodeInto(safe, new Uint8Array(maxNameBytes))
  const name = safe.slice(0, read).trim()
  return name === '' || name === '.' || name === '..' ? 'unnamed' : name
}

function cleanContentType(sent: string): string {
  const sane = sent.length <= maxContentTypeLength && mediaType.test(sent)
  return sane ? sent : 'application/octet-stream'
}

/** Returns the parameters of `form-data; …` by their name in lower case, or undefined if it cannot be read. */
function parametersOf(disposition: string): Map<string, string> | undefined {
  const type = /^\s*form-data\s*(?=;|$)/i.exec(disposition)
  if (type === null) return undefined
  const parameters = new Map<string, string>()
  parameter.lastIndex = type[0].length
  while (parameter.lastIndex < disposition.length) {
    const [, name, quoted, token] = parameter.exec(disposition) ?? []
    if (name === undefined) return undefined
    // If a parameter is there twice, nobody knows which one is meant.
    if (parameters.has(name.toLowerCase())) return undefined
    parameters.set(name.toLowerCase(), quoted?.replace(/\\(["\\])/g, '$1') ?? token ?? '')
  }
  return parameters
}

/** Decodes raw UTF-8 (RFC 7578). Browsers escape a quote and line ends in it (the HTML standard). */
function textOf(value: string): string {
  const escaped: Record<string, string> = { '%22': '"', '%0D': '\r', '%0A': '\n' }
  const raw = value.replace(/%(?:22|0D|0A)/gi, (found) => escaped[found.toUpperCase()] ?? found)
  try {
    return decodeText(Buffer.from(raw, 'latin1'))
  } catch (error) {
    if (error instanceof Undecodable) throw badRequest('a name in the header of a part is not in UTF-8')
    throw error
  }
}

/** Decodes `UTF-8''na%C3%AFve.txt` (RFC 8187), which clients send although RFC 7578 forbids it. */
function extended(value: string | undefined): string | undefined {
  const [, encoded] = /^utf-8'[^']*'(.+)$/i.exec(value ?? '') ?? []
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}
