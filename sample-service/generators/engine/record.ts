import { createHash } from 'node:crypto'
import type { Noun } from './names.ts'
import type { Flags } from './piece.ts'
import type { Plan } from './plan.ts'

/** The record of what was emitted and stamped. From it `update` and `add --remove` find what the team has changed. */
export const recordPath = '.mainstem.json'

/** The content of `.mainstem.json`. Lock files and drizzle/ are not in it. */
export interface ServiceRecord {
  /** The version of create-mainstem that emitted the skeleton. */
  readonly version: string
  /** The answers that the service was created with, by question. */
  readonly answers: Readonly<Record<string, string | boolean>>
  /** The skeleton's files. */
  readonly files: FileIds
  readonly pieces: readonly StampedPiece[]
}

/** Git's id of each text as it was emitted or stamped, by path. */
export type FileIds = Readonly<Record<string, string>>

/** A piece that `npm run add` stamped. */
export interface StampedPiece {
  readonly piece: string
  /** Absent if the piece was added because another needs it. */
  readonly noun?: string
  readonly plural?: string
  readonly flags: Flags
  /** The version of the skeleton that stamped it. */
  readonly version: string
  readonly files: FileIds
}

/** What one call of `stamp` or `stampMissing` planned. */
export interface Stamping {
  readonly piece: string
  readonly noun?: Noun
  readonly flags: Flags
  /** The text of each file, by path. */
  readonly files: ReadonlyMap<string, string>
}

/** Plans the record with `stampings` in it. A service without a record stays without one. Throws as `recordFrom` does. */
export async function remember(plan: Plan, stampings: readonly Stamping[]): Promise<void> {
  const text = await plan.read(recordPath)
  if (text === undefined) return
  const before = recordFrom(text)
  const after = stampings.reduce(withStamping, before)
  // Compares values, not text: the team may format the file in its own way.
  if (renderRecord(after) !== renderRecord(before)) await plan.edit(recordPath, renderRecord(after))
}

/** Adds the stamping to the record. If the piece has been stamped for this noun before, its entry keeps the earlier files too. */
export function withStamping(record: ServiceRecord, { piece, noun, flags, files }: Stamping): ServiceRecord {
  if (files.size === 0) return record
  const there = record.pieces.find((one) => one.piece === piece && one.noun === noun?.singular)
  const ids = idsOf(files)
  const changed = there === undefined || Object.entries(ids).some(([path, id]) => there.files[path] !== id)
  const entry: StampedPiece = {
    piece,
    ...(noun === undefined ? {} : { noun: noun.singular, plural: noun.plural }),
    flags,
    version: changed ? record.version : there.version,
    files: { ...there?.files, ...ids },
  }
  return { ...record, pieces: [...record.pieces.filter((one) => one !== there), entry] }
}

/** The id of each text, by path. */
export function idsOf(files: Iterable<readonly [string, string]>): FileIds {
  return Object.fromEntries([...files].map(([path, text]) => [path, textId(text)]))
}

/** The id of a text. Git stores LF, even where a checkout has CRLF. */
export function textId(text: string): string {
  return blobId(Buffer.from(withLf(text)))
}

/** The text with LF at the end of each line. */
export function withLf(text: string): string {
  return text.replaceAll('\r\n', '\n')
}

/** The name under which git stores a file with this content. */
export function blobId(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

/** The record as text: one key on each line, sorted, so that git can merge the additions of two branches. */
export function renderRecord({ version, answers, files, pieces }: ServiceRecord): string {
  const inOrder = [...pieces].sort((a, b) => compare(titleOf(a), titleOf(b)))
  const entries = inOrder.map(({ flags, files, ...piece }) => ({
    ...piece,
    flags: sorted(flags),
    files: sorted(files),
  }))
  const record = { version, answers: sorted(answers), files: sorted(files), pieces: entries }
  return `${JSON.stringify(record, null, 2)}\n`
}

/** Parses the text of a record. Throws an Error of one sentence if the text is not a record. */
export function recordFrom(text: string): ServiceRecord {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    const merging = /^<{7} /m.test(text)
    const what = merging
      ? 'has conflict markers: npm run add -- --merge-record keeps what both sides recorded'
      : 'is not valid JSON: restore it from git'
    throw new Error(`${recordPath} ${what}.`, { cause })
  }
  const twice = repeatedIn(text)
  if (twice !== undefined)
    throw new Error(
      `${recordPath} has ${twice} twice in one place: while git merges, run npm run add -- --merge-record; otherwise keep the line of the newer version.`,
    )
  if (isRecord(parsed)) {
    const titles = parsed.pieces.map(titleOf)
    const double = titles.find((title, index) => titles.indexOf(title) < index)
    if (double === undefined) return parsed
    throw new Error(`${recordPath} lists the piece ${double} twice: keep one of the entries.`)
  }
  throw new Error(`${recordPath} lacks what update and add need: restore it from git.`)
}

/** A key that one object of the JSON text has twice, as a merge by hand may leave it; undefined if there is none. */
function repeatedIn(text: string): string | undefined {
  const open: Set<string>[] = []
  for (const [token, key, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (key !== undefined && colon !== undefined) {
      if (open.at(-1)?.has(key) === true) return key
      open.at(-1)?.add(key)
    }
  }
  return undefined
}

function isRecord(value: unknown): value is ServiceRecord {
  return (
    isObject(value) &&
    typeof value.version === 'string' &&
    isObject(value.answers) &&
    isIds(value.files) &&
    Array.isArray(value.pieces) &&
    value.pieces.every(isStampedPiece)
  )
}

function isStampedPiece(value: unknown): value is StampedPiece {
  if (!isObject(value) || !isIds(value.flags) || !isIds(value.files)) return false
  const names =
    value.noun === undefined || (typeof value.noun === 'string' && typeof value.plural === 'string')
  return names && typeof value.piece === 'string' && typeof value.version === 'string'
}

function isIds(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((one) => typeof one === 'string')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether `npm run add -- --remove` has removed the piece, except for its schema and its table. */
export function isTakenBack({ files }: StampedPiece): boolean {
  return Object.keys(files).every((path) => path.endsWith('.schema.ts'))
}

/** A piece and its noun, as typed after `npm run add --`. In the record a piece without a noun has its own name as the noun. */
export function titleOf({
  piece,
  noun,
}: {
  readonly piece: string
  readonly noun?: string | undefined
}): string {
  return noun === undefined || noun === piece ? piece : `${piece} ${noun}`
}

function sorted<T>(entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).sort(([a], [b]) => compare(a, b)))
}

/** By code units, so that every machine writes the same order. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
