import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { blobId, withLf, type StampedPiece } from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { textFile, textOf } from '../tree.ts'
import { placeOf, settle, type Work } from './cells.ts'
import { withCopy } from './copy.ts'
import { runOnGenerators } from './own-generators.ts'
import { theirFile, type TheirFile } from './theirs.ts'

type Texts = Readonly<Record<string, string>>

/** The versions, as texts, of a file into which pieces are wired. */
interface Wired {
  readonly path: string
  /** Its path in the service. */
  readonly place: string
  readonly ours: string
  readonly base: string | undefined
  readonly theirs: string
}

/**
 * Merges again the files that call pieces. Neither the emitted text nor the new template has those calls, so a change of the
 * template beside a call would conflict. Therefore the service's generators wire the emitted text, the merged generators in
 * `copy` wire the new template, and then the three texts are merged.
 */
export async function settleWired(
  ctx: Context,
  work: Work,
  pieces: readonly StampedPiece[],
  theirs: ReadonlyMap<string, TheirFile>,
  copy: string,
): Promise<void> {
  if (pieces.length === 0) return
  const files: Wired[] = []
  const wired = wiredPaths(work.root).map((path) => work.renames.get(path) ?? path)
  for (const path of new Set([...wired, ...wiredPaths(copy)])) {
    const file = await versionsOf(ctx, work, path, theirs.get(path))
    if (file !== undefined) files.push(file)
  }
  if (files.length === 0) return
  const emitted = files.flatMap(({ place, ours, base }) =>
    base === undefined ? [] : [{ path: place, text: base, like: ours }],
  )
  const before = await withCopy(ctx, work.root, new Map(), (ctx, old) => wire(ctx, old, pieces, emitted))
  const after = await wire(
    ctx,
    copy,
    pieces,
    files.map(({ path, ours, theirs }) => ({ path, text: theirs, like: ours })),
  )
  for (const { path, place, base, theirs } of files) {
    const wiredBase = await formatted(ctx, work, place, base, before[place])
    const wiredTheirs = (await formatted(ctx, work, path, theirs, after[path])) ?? theirs
    if (wiredBase === base && wiredTheirs === theirs) continue
    const bytes = Buffer.from(wiredBase ?? '')
    const known = wiredBase === undefined ? {} : { [path]: blobId(bytes) }
    const file = theirFile(textFile(wiredTheirs))
    const bases = { find: () => Promise.resolve(wiredBase === undefined ? undefined : bytes) }
    await settle(ctx, { ...work, bases, recorded: { ...work.recorded, ...known } }, path, file)
  }
}

/** The `wired` text in the format in which `npm run add` would write it. */
async function formatted(
  ctx: Context,
  { style }: Work,
  path: string,
  text: string | undefined,
  wired: string | undefined,
): Promise<string | undefined> {
  return wired === undefined || wired === text ? text : await style.format(ctx, path, wired)
}

/** The modules that name the files that call pieces: the pieces, and the places that pieces share. */
const naming = new Set(['piece.ts', 'places.ts'])

/** The files that the generators in `root` wire pieces into, except those that they stamp for a noun. */
function wiredPaths(root: string): string[] {
  const entries = readdirSync(join(root, 'generators'), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && naming.has(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .flatMap((text) => Array.from(text.matchAll(ownPath), ([, , file = '']) => file))
    .filter((file) => !file.includes('widget'))
}

const ownPath = /(['"])((?:src|test|scripts)\/[^'"]+\.ts)\1/g

async function versionsOf(
  ctx: Context,
  work: Work,
  path: string,
  theirs: TheirFile | undefined,
): Promise<Wired | undefined> {
  const [place, found] = placeOf(work, path)
  const after = theirs === undefined ? undefined : textOf(theirs.file.bytes)
  if (theirs === undefined || after === undefined || found.kind === 'other') return undefined
  const recorded = work.recorded[path]
  const ours = found.kind === 'file' ? textOf(found.file.bytes) : ''
  if (ours === undefined) return undefined
  if (recorded === undefined) return { path, place, ours, base: undefined, theirs: after }
  // The team has deleted the file.
  if (found.kind === 'none') return undefined
  const base =
    recorded === theirs.id
      ? theirs.file.bytes
      : recorded === found.id
        ? found.file.bytes
        : await work.bases.find(ctx, place, recorded)
  // Without a base the merge is two-way, and finds fewer differences if the new template has the calls.
  return { path, place, ours, base: base && textOf(base), theirs: after }
}

/** Wires the pieces into the texts with the generators of `copy`; returns none if these cannot run. */
async function wire(
  ctx: Context,
  copy: string,
  pieces: readonly StampedPiece[],
  texts: readonly { path: string; text: string; like: string }[],
): Promise<Texts> {
  const wish = { pieces, texts: Object.fromEntries(texts.map(({ path, ...one }) => [path, one])) }
  const { code, answer } = await runOnGenerators(ctx, copy, 'wire.ts', wish)
  if (code !== 0) return {}
  const wired = Object.entries(JSON.parse(answer) as Texts)
  return Object.fromEntries(wired.map(([path, text]) => [path, withLf(text)]))
}
