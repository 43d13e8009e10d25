import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  finish,
  forget,
  idOf,
  pending,
  undoAll,
  unfinished,
  whyNotFinished,
  writeJournal,
  type Entry,
  type Journal,
} from '../../templates/service/generators/engine/journal.ts'
import { Failure, writeFailure } from '../failure.ts'
import type { PlannedFile } from '../tree.ts'
import { workFolder } from './copy.ts'
import { markUnmerged } from './git.ts'

/** A file that an update writes or removes. */
export interface FileChange {
  readonly path: string
  /** Undefined removes the file. */
  readonly after: PlannedFile | undefined
}

/** What an update is about to do, or has done, besides its files. */
export interface Updating {
  readonly from: string
  readonly to: string
  /** The commit that was checked out. */
  readonly head: string | undefined
  /** The input of `markUnmerged`. */
  readonly index: string
  readonly conflicts: readonly string[]
}

/** An update with its files. */
export interface Written extends Updating {
  readonly entries: readonly Entry[]
}

const last = join(workFolder, 'last')

/**
 * Writes all the changes or none, even if the process is killed. `saved` are files that another program may change afterwards (a
 * lock file): `takeBack` restores them too.
 * @throws Failure if a file cannot be written; then nothing has changed
 */
export function writeAll(
  root: string,
  changes: readonly FileChange[],
  saved: readonly string[],
  about: Updating,
): void {
  const files = changes.map(({ path, after }) => ({
    path,
    after: after?.bytes,
    executable: after?.executable === true,
  }))
  try {
    writeJournal(root, { by: 'update', about }, files, saved, () => keep(root, about))
  } catch (cause) {
    throw failureOf(cause)
  }
}

/**
 * The update that was killed while it wrote; undefined if there is none. Writes nothing.
 * @throws Failure if instead `npm run add` was killed
 */
export function waitingUpdate(root: string): Written | undefined {
  const journal = unfinished(root)
  if (journal?.by === 'add')
    throw new Failure('npm run add was killed while it wrote: run it again to finish what it began')
  return journal && writtenOf(journal)
}

/**
 * Finishes an update, or an `npm run add`, that was killed while it wrote.
 * @returns the update; undefined if there was none
 * @throws Failure if a file has changed since, or if something was committed: then nothing is written
 */
export function recover(root: string, head: string | undefined): Written | undefined {
  const journal = unfinished(root)
  if (journal === undefined) {
    forget(root)
    return undefined
  }
  const updating = journal.by === 'update' ? writtenOf(journal) : undefined
  const why = whyNotFinished(root, journal)
  if (why !== undefined) throw new Failure(why)
  if (updating !== undefined && updating.head !== head)
    throw new Failure(
      'an update was killed while it wrote, and something was committed since: run update --abort, which forgets that update',
    )
  try {
    finish(root, () => (updating === undefined ? forget(root) : keep(root, updating)))
  } catch (cause) {
    throw failureOf(cause)
  }
  return updating
}

/** The last update; undefined if there was none or it was undone. */
export function lastUpdate(root: string): Written | undefined {
  const path = join(root, last, 'journal.json')
  return existsSync(path) ? writtenOf(JSON.parse(readFileSync(path, 'utf8')) as Journal) : undefined
}

/**
 * Restores every file of the last update, or of the one that was killed.
 * @returns the paths that had changed since; a copy of each is kept
 * @throws Failure if a file cannot be restored; `update --abort` can be repeated then
 */
export function takeBack(root: string, { entries }: Written): { changed: readonly string[]; kept: string } {
  const isKilled = unfinished(root) !== undefined
  const kept = join(workFolder, 'aborted')
  const changed = entries.filter(({ path, kind, before, after }) => {
    const now = kind === 'saved' ? undefined : idOf(root, path)
    return now !== undefined && now !== before && now !== after
  })
  if (changed.length > 0) rmSync(join(root, kept), { recursive: true, force: true })
  for (const { path } of changed) {
    mkdirSync(dirname(join(root, kept, path)), { recursive: true })
    copyFileSync(join(root, path), join(root, kept, path))
  }
  const left = undoAll(root, join(root, isKilled ? pending : last), entries)
  if (left.length > 0)
    throw new Failure(`${left.join(', ')} could not be restored: fix that, and run update --abort again`)
  if (isKilled) forget(root)
  else rmSync(join(root, last), { recursive: true })
  return { changed: changed.map(({ path }) => path), kept }
}

/** Marks the conflicts in the index, and keeps the journal for `takeBack`. Safe to repeat. */
function keep(root: string, { index }: Updating): void {
  markUnmerged(root, index)
  mkdirSync(join(root, workFolder), { recursive: true })
  rmSync(join(root, last), { recursive: true, force: true })
  renameSync(join(root, pending), join(root, last))
}

function writtenOf({ about, entries }: Journal): Written {
  return { ...(about as Updating), entries }
}

function failureOf(cause: unknown): Failure {
  const failure = writeFailure(cause)
  if (failure instanceof Failure) return failure
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Failure(`nothing was written: ${why}`, { cause })
}
