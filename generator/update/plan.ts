import {
  idsOf,
  isTakenBack,
  titleOf,
  type ServiceRecord,
  type StampedPiece,
} from '../../templates/service/generators/engine/record.ts'
import type { Replay } from '../../templates/service/generators/engine/replay.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { ownPackage } from '../root.ts'
import { textFile, textOf } from '../tree.ts'
import type { Bases } from './bases.ts'
import { migratedText, recordedIds, renamesFor, settle, type Work } from './cells.ts'
import { renderedPages, replay, withCopy, writeOverlay } from './copy.ts'
import { asOnDisk, look } from './disk.ts'
import { installInCopy } from './needs.ts'
import { migrationsBetween } from './migration.ts'
import { overlayOf, writtenBy, type Outcomes } from './outcome.ts'
import { withDependencies } from './piece-dependencies.ts'
import { namedAsBefore } from './renamed.ts'
import type { Service } from './service.ts'
import { styleOf } from './style.ts'
import { teamFiles } from './team-files.ts'
import { planTheirs, theirFile, type TheirFile, type Theirs } from './theirs.ts'
import { settleWired } from './wirings.ts'

/** What an update would do. Nothing has been written yet. */
export interface UpdatePlan {
  readonly from: string
  readonly to: string
  readonly record: ServiceRecord
  readonly outcomes: Outcomes
  /** The template's texts that were merged: the record has their ids, and no file has the texts. */
  readonly merged: readonly Buffer[]
  /** What the user must know or do, one sentence each. */
  readonly notes: readonly string[]
}

const noReplay: Replay = { stampings: [], skipped: [] }

/**
 * Plans the update of the service in memory. It merges the skeleton, which includes the generators. Then the merged generators
 * stamp every piece of the record again, in a copy, and each file is merged against what was stamped before.
 * @param restamp leave the skeleton as it is: only the service's own generators have changed
 * @throws Failure if the template or the generators cannot be run
 */
export async function planUpdate(
  ctx: Context,
  service: Service,
  bases: Bases,
  restamp: boolean,
): Promise<UpdatePlan> {
  const { root, record } = service
  const to = restamp ? record.version : ownPackage().version
  const migrations = restamp ? [] : migrationsBetween(record.version, to)
  const renames = renamesFor(record, migrations)
  const work: Work = {
    root,
    labels: { yours: 'yours', base: record.version, theirs: restamp ? 'generators' : to },
    style: styleOf(root, record.files),
    bases,
    migrations,
    renames,
    recorded: recordedIds(record, renames),
    outcomes: new Map(),
  }
  const theirs = restamp ? undefined : await planTheirs(ctx, record)
  for (const [path, file] of theirs?.files ?? []) await settle(ctx, work, path, file)
  const notes = migrations.flatMap(({ words }) => words)
  const there = { ...record, pieces: record.pieces.filter((piece) => !isTakenBack(piece)) }
  const replayed =
    there.pieces.length === 0 && !isMixed(work.outcomes)
      ? noReplay
      : await withCopy(ctx, root, overlayOf(work.outcomes), async (ctx, copy) => {
          await installInCopy(ctx, service, copy)
          const replayed = there.pieces.length === 0 ? noReplay : await replay(ctx, copy, there)
          await settleRest(ctx, work, theirs, replayed, record)
          // Removes a piece.ts that the template has dropped, which would be found before the one that replaced it.
          await writeOverlay(ctx, copy, overlayOf(work.outcomes))
          await settleWired(ctx, work, there.pieces, templateOf(theirs, replayed), copy)
          await writeOverlay(ctx, copy, overlayOf(work.outcomes))
          notes.push(...(await settlePages(ctx, work, copy)))
          return replayed
        })
  if (replayed === noReplay) await settleRest(ctx, work, theirs, noReplay, record)
  notes.push(...namedAsBefore(root, record, work.outcomes))
  notes.push(...replayed.skipped.map(({ title, why }) => `skipped ${title}: ${why}`))
  if (replayed.skipped.length > 0)
    notes.push('fix the generators and commit; then update --restamp brings those pieces up to date')
  return {
    from: record.version,
    to,
    record: recordAfter(record, theirs, replayed, to),
    outcomes: work.outcomes,
    merged: mergedTexts(work.outcomes, templateOf(theirs, replayed)),
    notes,
  }
}

function mergedTexts(outcomes: Outcomes, template: ReadonlyMap<string, TheirFile>): Buffer[] {
  return [...outcomes.values()]
    .filter(({ verdict }) => verdict.kind === 'merged' || verdict.kind === 'conflict')
    .flatMap(({ path }) => template.get(path)?.file.bytes ?? [])
}

/** Every file of the new template and of the pieces, as they are now. */
function templateOf(theirs: Theirs | undefined, { stampings }: Replay): ReadonlyMap<string, TheirFile> {
  const stamped = stampings.flatMap(({ files }) => Object.entries(files))
  const files = stamped.map(([path, text]) => [path, stampedFile(text)] as const)
  return new Map([...(theirs?.files ?? []), ...files])
}

function stampedFile(text: string): TheirFile {
  return theirFile(textFile(text))
}

/** Whether a file has lines of both sides, so that pages made from it must be written again. */
function isMixed(outcomes: Outcomes): boolean {
  return [...outcomes.values()].some(
    ({ verdict }) => verdict.kind === 'merged' || verdict.kind === 'conflict',
  )
}

/** Decides on the files of pieces, on files that neither the template nor a piece has any more, and on the team's own. */
async function settleRest(
  ctx: Context,
  work: Work,
  theirs: Theirs | undefined,
  { stampings, skipped }: Replay,
  record: ServiceRecord,
): Promise<void> {
  const stamped = new Set<string>()
  for (const [path, text] of stampings.flatMap(({ files }) => Object.entries(files))) {
    stamped.add(path)
    await settle(ctx, work, path, stampedFile(text))
  }
  const kept = new Set(
    piecesLeft(record, skipped)
      .flatMap(({ files }) => Object.keys(files))
      .map((path) => work.renames.get(path) ?? path),
  )
  for (const path of Object.keys(work.recorded)) {
    if (stamped.has(path) || kept.has(path) || theirs?.files.has(path) === true) continue
    // A restamp changes only pieces.
    if (theirs === undefined && Object.hasOwn(record.files, path)) continue
    await settle(ctx, work, path, undefined)
  }
  withDependencies(work, stampings)
  for (const path of work.migrations.length === 0 ? [] : teamFiles(ctx, work.root))
    await migrateOwn(ctx, work, path)
}

/** Applies the migrations to the team's own file, or to one that the template has not changed. */
async function migrateOwn(ctx: Context, work: Work, path: string): Promise<void> {
  const outcome = work.outcomes.get(path)
  if (outcome !== undefined && outcome.verdict.kind !== 'untouched') return
  if ([...work.outcomes.values()].some(({ moved }) => moved === path)) return
  const there = look(work.root, path)
  const text = there.kind === 'file' ? textOf(there.file.bytes) : undefined
  if (there.kind !== 'file' || text === undefined) return
  const after = await migratedText(ctx, work, text, path, path)
  if (after === text) return
  const bytes = asOnDisk(Buffer.from(after), there)
  work.outcomes.set(path, {
    path,
    moved: undefined,
    verdict: { kind: 'merged', file: { ...there.file, bytes }, notes: [] },
  })
}

/** Writes the generated pages again, from the merged files. @returns why a page could not be written */
async function settlePages(ctx: Context, work: Work, copy: string): Promise<string[]> {
  const changed = [...work.outcomes.values()].filter(({ verdict }) => verdict.kind !== 'untouched')
  const { files, failed } = await renderedPages(
    ctx,
    copy,
    changed.map(({ path }) => path),
  )
  for (const [path, text] of files) {
    const outcome = work.outcomes.get(path)
    const there = look(work.root, path)
    if (there.kind !== 'file' || outcome?.verdict.kind === 'conflict') continue
    const bytes = asOnDisk(Buffer.from(text), there)
    const same = there.file.bytes.equals(Buffer.from(text))
    const written = outcome === undefined ? undefined : writtenBy(outcome)
    if (written === undefined ? same : written.bytes.equals(bytes)) continue
    const verdict = same
      ? ({ kind: 'untouched' } as const)
      : ({ kind: 'merged', file: { ...there.file, bytes }, notes: [] } as const)
    work.outcomes.set(path, { path, moved: undefined, verdict })
  }
  return failed.map(
    (why) => `a page could not be written again: ${why}; run that script when the conflicts are resolved`,
  )
}

/** The entries that stay unchanged: the generators could not stamp their pieces again, or the team has removed the pieces. */
function piecesLeft(record: ServiceRecord, skipped: Replay['skipped']): StampedPiece[] {
  const titles = new Set(skipped.map(({ title }) => title))
  // The service's own engine made the titles. Until 2026-12 it named a piece without a noun twice: `auth auth`.
  const isSkipped = (one: StampedPiece): boolean =>
    titles.has(titleOf(one)) || titles.has(`${one.piece} ${one.noun}`)
  return record.pieces.filter((piece) => isTakenBack(piece) || isSkipped(piece))
}

function recordAfter(
  record: ServiceRecord,
  theirs: Theirs | undefined,
  { stampings, skipped }: Replay,
  version: string,
): ServiceRecord {
  const stamped = stampings.map(({ piece, noun, flags, files }): StampedPiece => ({
    piece,
    ...(noun === undefined ? {} : { noun: noun.singular, plural: noun.plural }),
    flags,
    version,
    files: idsOf(Object.entries(files)),
  }))
  return {
    version,
    answers: theirs?.record.answers ?? record.answers,
    files: theirs?.record.files ?? record.files,
    pieces: [...piecesLeft(record, skipped), ...stamped],
  }
}
