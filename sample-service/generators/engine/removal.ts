import { join, posix } from 'node:path'
import { configure } from '../after/configure.ts'
import { undepend, without } from '../after/depend.ts'
import { guarantee } from '../after/guarantee.ts'
import { dropTables } from '../after/migration.ts'
import { formatRewritten } from '../edit/rewrite.ts'
import { removeMember, unwire } from '../edit/take-out.ts'
import { filesBelow } from '../../scripts/files-below.ts'
import type { Noun } from './names.ts'
import { findPiece, neededBy } from './pieces.ts'
import type { Piece } from './piece.ts'
import { wiringsOf } from './places.ts'
import type { Plan } from './plan.ts'
import { isTakenBack, recordFrom, recordPath, renderRecord, textId, titleOf } from './record.ts'
import type { FileIds, ServiceRecord, StampedPiece } from './record.ts'

/** The title of a removal, and what it left in place. */
export interface Removal {
  readonly title: string
  /** The schemas whose tables stay until `--drop`. */
  readonly kept: readonly string[]
  /** What stays outside of the service's files: one sentence for each piece that leaves something. */
  readonly leaves: readonly string[]
}

/**
 * Plans the opposite of `planPiece`, from the record: removes the files that the piece stamped, its calls, settings and
 * dependencies, and the pieces that only it needed. The schema and the table stay; with `drop` the schema is removed too, and a
 * migration drops the table.
 */
export async function planRemoval(
  plan: Plan,
  piece: Piece,
  name: string | undefined,
  drop: boolean,
): Promise<Removal> {
  const record = await readRecord(plan)
  const entry = entryOf(record, piece, name)
  const going = withNeeded(record, entry)
  const leaving = going.flatMap((one) => leavingOf(one, drop))
  for (const one of going) await disconnect(plan, one)
  await formatRewritten(plan)
  await refuseChanged(plan, going, leaving)
  for (const path of leaving) await plan.edit(path, undefined)
  await refuseUsed(plan, leaving, going)
  const after = withoutFiles(record, leaving)
  const scripts = going.flatMap((one) => Object.keys(pieceOf(one)?.scripts ?? {}))
  await undepend(plan, await unusedPackages(plan, going), scripts)
  await plan.edit(recordPath, renderRecord(after))
  if (drop) await dropTables(plan, `drop-${entry.plural ?? entry.piece}`)
  await guarantee(plan)
  await configure(plan)
  const kept = going.flatMap(({ files }) => Object.keys(files)).filter((path) => !leaving.includes(path))
  const leaves = going.flatMap((one) => pieceOf(one)?.leaves ?? [])
  return { title: titleOf(entry), kept, leaves }
}

async function readRecord(plan: Plan): Promise<ServiceRecord> {
  const text = await plan.read(recordPath)
  if (text !== undefined) return recordFrom(text)
  throw new Error(
    `${recordPath}, which lists what was stamped, is missing: restore it from git, or make it with npm run update -- --adopt.`,
  )
}

function entryOf(record: ServiceRecord, piece: Piece, name: string | undefined): StampedPiece {
  const entries = record.pieces.filter((one) => one.piece === piece.name)
  const [only] = entries
  if (piece.takes === 'nothing' && only !== undefined) return only
  const found = entries.find((one) => one.noun === name || one.plural === name)
  if (found !== undefined) return found
  const there = entries.map(titleOf)
  throw new Error(
    `${piece.name} ${name ?? ''} was not added here: ${there.length === 0 ? `${recordPath} lists no ${piece.name}` : `there is ${there.join(', ')}`}.`,
  )
}

/** Returns the entry, and the entries of the pieces that only it needs. Throws if another piece needs it. */
function withNeeded(record: ServiceRecord, entry: StampedPiece): StampedPiece[] {
  const others = record.pieces.filter((one) => one !== entry)
  // Only the schema of a removed piece stays, and it needs no other piece.
  const users = others.filter((one) => !isTakenBack(one))
  const dependents = users.filter((one) => namesNeededBy(one).includes(entry.piece))
  if (dependents.length > 0 && entry.noun === undefined) {
    throw new Error(
      `${dependents.map(titleOf).join(', ')} needs ${entry.piece}: remove that piece instead, which also removes ${entry.piece}.`,
    )
  }
  const going = [entry]
  for (const name of namesNeededBy(entry)) {
    const needed = others.find((one) => one.piece === name && one.noun === undefined)
    const shared = users.some((one) => !going.includes(one) && namesNeededBy(one).includes(name))
    if (needed !== undefined && !shared) going.push(needed)
  }
  return going
}

/** The names of the pieces that an entry needs, the nearest first. */
function namesNeededBy(entry: StampedPiece): string[] {
  const piece = pieceOf(entry)
  return piece === undefined
    ? []
    : neededBy(piece, entry.flags)
        .map(({ name }) => name)
        .reverse()
}

/** The piece of an entry, or the one that replaces it for its flags. */
function pieceOf({ piece, flags }: StampedPiece): Piece | undefined {
  const found = findPiece(piece, flags)
  return found?.variant?.(flags) ?? found
}

/** A schema stays until its table is dropped. */
function leavingOf({ files }: StampedPiece, drop: boolean): string[] {
  return Object.keys(files).filter((path) => drop || !path.endsWith('.schema.ts'))
}

async function refuseChanged(
  plan: Plan,
  going: readonly StampedPiece[],
  leaving: readonly string[],
): Promise<void> {
  const ids: FileIds = Object.fromEntries(going.flatMap(({ files }) => Object.entries(files)))
  const changed: string[] = []
  for (const path of leaving) {
    const text = await plan.read(path)
    if (text !== undefined && textId(text) !== ids[path]) changed.push(path)
  }
  if (changed.length === 0) return
  const [was, them] = changed.length === 1 ? ['was', 'it'] : ['were', 'them']
  throw new Error(
    `${changed.join(', ')} ${was} changed after \`npm run add\` had written ${them}: remove ${them} by hand, or restore ${them}, and run this again.`,
  )
}

/** Plans to remove the calls, settings and properties of the piece. */
async function disconnect(plan: Plan, entry: StampedPiece): Promise<void> {
  const piece = pieceOf(entry)
  if (piece === undefined) return
  const noun = nounOf(entry)
  for (const wiring of wiringsOf(piece, noun)) await unwire(plan, wiring)
  for (const member of piece.members?.(noun, entry.flags) ?? [])
    await removeMember(plan, member, Object.keys(entry.files))
}

function nounOf({ piece, noun = piece, plural = noun }: StampedPiece): Noun {
  return { singular: noun, plural }
}

/** Throws if a file that stays imports a removed one. */
async function refuseUsed(
  plan: Plan,
  leaving: readonly string[],
  going: readonly StampedPiece[],
): Promise<void> {
  for (const path of await sourcesOf(plan.root)) {
    const text = await plan.read(path)
    const used = text === undefined ? undefined : importsOf(path, text).find((to) => leaving.includes(to))
    if (used === undefined) continue
    throw new Error(
      `${path} imports ${used}, which belongs to ${going.map(titleOf).join(' and ')}: remove that import from ${path} first.`,
    )
  }
}

/** The files that a module imports by a relative path. */
function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)].map(([, to = '']) =>
    posix.join(posix.dirname(path), to),
  )
}

async function sourcesOf(root: string): Promise<string[]> {
  const folders = await Promise.all(
    ['src', 'test'].map(async (folder) =>
      (await filesBelow(join(root, folder))).map((path) => `${folder}/${path}`),
    ),
  )
  return folders.flat().filter((path) => path.endsWith('.ts'))
}

function withoutFiles(record: ServiceRecord, leaving: readonly string[]): ServiceRecord {
  const left = record.pieces.map((one) => ({ ...one, files: without(one.files, leaving) }))
  return { ...record, pieces: left.filter(({ files }) => Object.keys(files).length > 0) }
}

/** The dependencies that the pieces of these entries added and that no module imports any more. */
async function unusedPackages(plan: Plan, entries: readonly StampedPiece[]): Promise<string[]> {
  const unused = new Set(entries.flatMap((one) => Object.keys(pieceOf(one)?.dependencies ?? {})))
  for (const path of unused.size === 0 ? [] : await sourcesOf(plan.root)) {
    const text = (await plan.read(path)) ?? ''
    for (const name of unused) if (new RegExp(`['"]${name}['"/]`).test(text)) unused.delete(name)
  }
  return [...unused]
}
