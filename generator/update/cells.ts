import { posix } from 'node:path'
import { stampNames } from '../../templates/service/generators/engine/names.ts'
import type { FileIds, ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { textOf } from '../tree.ts'
import type { Bases } from './bases.ts'
import { decide, type Tools, type Verdict } from './cell.ts'
import { asOnDisk, isNamed, look, type OnDisk } from './disk.ts'
import { generatedPages, withWrittenPart } from './generated.ts'
import type { Labels } from './merge-text.ts'
import { mergeLines } from './merge.ts'
import { mergedOf, renamesOf, withImportsOf, type Migration } from './migration.ts'
import type { Outcome, Outcomes } from './outcome.ts'
import type { Style } from './style.ts'
import type { TheirFile } from './theirs.ts'

/** What the decisions on the files of one service need. */
export interface Work {
  readonly root: string
  readonly labels: Labels
  readonly style: Style
  readonly bases: Bases
  readonly migrations: readonly Migration[]
  /** The new paths of the template's renamed files, by their old paths. */
  readonly renames: ReadonlyMap<string, string>
  /** The recorded ids, by the files' new paths. */
  readonly recorded: FileIds
  readonly outcomes: Outcomes
}

/** The renames of the migrations, for each noun of the record too, since their paths contain the noun widget. */
export function renamesFor({ pieces }: ServiceRecord, migrations: readonly Migration[]): Map<string, string> {
  const renames = new Map<string, string>()
  for (const [from, to] of renamesOf(migrations)) {
    renames.set(from, to)
    if (!from.includes('widget')) continue
    for (const { noun, plural } of pieces) {
      if (noun === undefined || plural === undefined) continue
      const stamped = (path: string): string => stampNames(path, { singular: noun, plural })
      renames.set(stamped(from), stamped(to))
    }
  }
  return renames
}

/** The ids of the record, by the files' new paths. */
export function recordedIds({ files, pieces }: ServiceRecord, renames: ReadonlyMap<string, string>): FileIds {
  const all = [files, ...pieces.map((piece) => piece.files)].flatMap((ids) => Object.entries(ids))
  return Object.fromEntries(all.map(([path, id]) => [renames.get(path) ?? path, id]))
}

/** Decides on one file of the new or the old template, and keeps the outcome. */
export async function settle(
  ctx: Context,
  work: Work,
  path: string,
  theirs: TheirFile | undefined,
): Promise<void> {
  const [place, found] = placeOf(work, path)
  const recorded = work.recorded[path]
  const ours = await migrated(ctx, work, found, recorded, place, path)
  const emptied = theirs !== undefined && recorded === undefined ? emptiedAround(work, path) : undefined
  const verdict: Verdict =
    emptied === undefined
      ? await decide(ctx, { path, recorded, ours, theirs }, toolsFor(work, place, ours))
      : { kind: 'left', why: `the template has this new file; you deleted all of its files in ${emptied}/` }
  const moved = place === path ? undefined : place
  const stays = verdict.kind === 'untouched' && moved !== undefined && ours.kind === 'file'
  const outcome: Outcome = {
    path,
    moved: verdict.kind === 'left' ? undefined : moved,
    verdict: stays
      ? { kind: 'updated', file: { ...ours.file, bytes: asOnDisk(ours.file.bytes, ours) }, notes: [] }
      : verdict,
  }
  work.outcomes.set(path, outcome)
}

/**
 * The nearest folder of a new file in which the template had other files; undefined unless the team has deleted or moved all of
 * them.
 */
function emptiedAround(work: Work, path: string): string | undefined {
  for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder)) {
    const others = Object.keys(work.recorded).filter((one) => one.startsWith(`${folder}/`))
    if (others.length === 0) continue
    return others.every((one) => placeOf(work, one)[1].kind === 'none') ? folder : undefined
  }
  return undefined
}

/** Where the service has the template's file of `path`, and its content there. */
export function placeOf({ root, renames }: Work, path: string): [string, OnDisk] {
  const there = look(root, path)
  if (there.kind !== 'none' && isNamed(root, path)) return [path, there]
  for (const [from, to] of renames) {
    if (to !== path || from === path) continue
    const old = look(root, from)
    if (old.kind !== 'none') return [from, old]
  }
  return [path, there]
}

/**
 * The service's file with the migrations applied, unless it is unchanged. It keeps the id of the file on the disk, which shows
 * whether the team changed it.
 */
async function migrated(
  ctx: Context,
  work: Work,
  found: OnDisk,
  recorded: string | undefined,
  from: string,
  to: string,
): Promise<OnDisk> {
  if (found.kind !== 'file' || found.id === recorded || work.migrations.length === 0) return found
  const text = textOf(found.file.bytes)
  if (text === undefined) return found
  const after = await migratedText(ctx, work, text, from, to)
  return { ...found, file: { ...found.file, bytes: Buffer.from(after) } }
}

/**
 * Applies the migrations to a text: imports of renamed and merged files, and changes of code. Formats it again
 * if it was formatted before.
 */
export async function migratedText(
  ctx: Context,
  { migrations, renames, style }: Work,
  text: string,
  from: string,
  to: string,
): Promise<string> {
  const moved = withImportsOf(new Map([...mergedOf(migrations), ...renames]), text, from, to)
  const after = migrations
    .flatMap(({ changes }) => changes)
    .reduce((now, { change }) => change(now, to), moved)
  if (after === text) return text
  return (await style.isFormatted(ctx, from, text)) ? await style.format(ctx, to, after) : after
}

function toolsFor(work: Work, place: string, ours: OnDisk): Tools {
  const mine = ours.kind === 'file' ? textOf(ours.file.bytes) : undefined
  const { style, labels, bases } = work
  return {
    style,
    async base(ctx, path, id) {
      const emitted = await bases.find(ctx, place, id)
      const text = emitted === undefined ? undefined : textOf(emitted)
      if (text === undefined || work.migrations.length === 0) return emitted
      // Migrated as `ours` was.
      const before = work.style.changed ? await work.style.format(ctx, place, text) : text
      return Buffer.from(await migratedText(ctx, work, before, place, path))
    },
    merge(ctx, path, yours, base, theirs) {
      if (!generatedPages.includes(path) || mine === undefined)
        return mergeLines(ctx, yours, base, theirs, labels)
      const [before, after] = [base, theirs].map((text) =>
        text === undefined ? undefined : withWrittenPart(path, text, mine),
      )
      return mergeLines(ctx, yours, before, after ?? theirs, labels)
    },
  }
}
