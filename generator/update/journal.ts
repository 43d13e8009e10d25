import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '../failure.ts'
import type { PlannedFile } from '../tree.ts'
import { workFolder } from './copy.ts'
import { markUnmerged } from './git.ts'

/** A file that an update writes or removes. */
export interface FileChange {
  readonly path: string
  /** Undefined: the file goes. */
  readonly after: PlannedFile | undefined
}

/** What an update is about to do, or has done. */
export interface Journal {
  readonly from: string
  readonly to: string
  /** The commit that was checked out. */
  readonly head: string | undefined
  readonly entries: readonly Entry[]
  /** What `markUnmerged` gets. */
  readonly index: string
  readonly conflicts: readonly string[]
}

interface Entry {
  readonly path: string
  readonly kind: 'write' | 'remove' | 'saved'
  /** Whether there was a file before; then `old/<number>` holds it. */
  readonly before: boolean
  readonly mode: number
}

const pending = join(workFolder, 'pending')
const last = join(workFolder, 'last')

/**
 * Writes all the changes or none, also across a `kill -9`: everything is written aside first; one rename makes the journal
 * valid; then each file is renamed into its place. `recover` finishes what a killed process began. `saved` are files that
 * another program may change afterwards (a lock file): `takeBack` restores them too.
 * @throws Failure if a file cannot be written; then nothing has changed
 */
export function writeAll(
  root: string,
  changes: readonly FileChange[],
  saved: readonly string[],
  about: Omit<Journal, 'entries'>,
): void {
  const aside = join(root, `${pending}.new`)
  rmSync(aside, { recursive: true, force: true })
  mkdirSync(join(aside, 'new'), { recursive: true })
  mkdirSync(join(aside, 'old'))
  const all = [
    ...changes.map(
      (change) => ({ ...change, kind: change.after === undefined ? 'remove' : 'write' }) as const,
    ),
    ...saved.map((path) => ({ path, kind: 'saved', after: undefined }) as const),
  ]
  try {
    const entries = all.map(({ path, kind, after }, number): Entry => {
      const there = join(root, path)
      const before = existsSync(there)
      if (before) copyFileSync(there, join(aside, 'old', String(number)))
      if (kind !== 'saved') requireWritable(root, path)
      const mode = modeOf(before ? statSync(there).mode : 0o644, after)
      if (after !== undefined) writeFileSync(join(aside, 'new', String(number)), after.bytes)
      return { path, kind, before, mode }
    })
    writeFileSync(join(aside, 'journal.json'), JSON.stringify({ ...about, entries }))
    renameSync(aside, join(root, pending))
  } catch (cause) {
    rmSync(aside, { recursive: true, force: true })
    throw failureOf(cause)
  }
  finish(root)
}

/** Finishes an update that was killed while it wrote. @returns its journal; undefined if there is none */
export function recover(root: string): Journal | undefined {
  rmSync(join(root, `${pending}.new`), { recursive: true, force: true })
  if (!existsSync(join(root, pending))) return undefined
  const journal = journalIn(join(root, pending))
  finish(root)
  return journal
}

/** The journal of the last update; undefined if there was none or it was taken back. */
export function lastUpdate(root: string): Journal | undefined {
  return existsSync(join(root, last)) ? journalIn(join(root, last)) : undefined
}

/** Restores every file that the last update wrote. @returns the paths that had changed since; a copy of each is kept */
export function takeBack(root: string): { changed: readonly string[]; kept: string } {
  const folder = join(root, last)
  const { entries } = journalIn(folder)
  const kept = join(workFolder, 'aborted')
  rmSync(join(root, kept), { recursive: true, force: true })
  const changed = entries.flatMap((entry, number) => {
    const edited =
      entry.kind === 'write' && isEdited(join(root, entry.path), join(folder, 'new', String(number)))
    if (edited) {
      mkdirSync(dirname(join(root, kept, entry.path)), { recursive: true })
      copyFileSync(join(root, entry.path), join(root, kept, entry.path))
    }
    undo(root, folder, entry, number)
    return edited ? [entry.path] : []
  })
  rmSync(folder, { recursive: true })
  return { changed, kept }
}

/** Forgets how to take the last update back. */
export function forgetLast(root: string): void {
  rmSync(join(root, last), { recursive: true, force: true })
}

function finish(root: string): void {
  const folder = join(root, pending)
  const { entries, index } = journalIn(folder)
  const done: [Entry, number][] = []
  // A signal must not end the process half-way: with a listener it waits for the end of this function.
  const hold = (): void => undefined
  process.on('SIGINT', hold).on('SIGTERM', hold)
  try {
    for (const [number, entry] of entries.entries()) {
      done.push([entry, number])
      redo(root, folder, entry, number)
    }
    markUnmerged(root, index)
    forgetLast(root)
    renameSync(folder, join(root, last))
  } catch (cause) {
    for (const [entry, number] of done.reverse()) undo(root, folder, entry, number)
    rmSync(folder, { recursive: true, force: true })
    throw failureOf(cause)
  } finally {
    process.off('SIGINT', hold).off('SIGTERM', hold)
  }
}

/** Safe to repeat: a killed process may have done it. `new/` keeps its files, so that `takeBack` sees later edits. */
function redo(root: string, folder: string, { path, kind, mode }: Entry, number: number): void {
  const target = join(root, path)
  if (kind === 'remove') {
    rmSync(target, { force: true })
    removeEmptyFolders(root, dirname(path))
  } else if (kind === 'write') put(join(folder, 'new', String(number)), target, mode)
}

function undo(root: string, folder: string, { path, before }: Entry, number: number): void {
  const old = join(folder, 'old', String(number))
  // Of the copy, because it has the mode of the file.
  if (before) put(old, join(root, path), statSync(old).mode)
  else {
    rmSync(join(root, path), { force: true })
    removeEmptyFolders(root, dirname(path))
  }
}

/** Copies beside the place first, so that a reader sees the old file or the new one. */
function put(source: string, target: string, mode: number): void {
  mkdirSync(dirname(target), { recursive: true })
  const aside = `${target}.update`
  rmSync(aside, { force: true })
  copyFileSync(source, aside)
  chmodSync(aside, mode)
  renameSync(aside, target)
}

function removeEmptyFolders(root: string, folder: string): void {
  for (let path = folder; path !== '.' && path !== ''; path = dirname(path)) {
    try {
      rmdirSync(join(root, path))
    } catch {
      // Not empty, or gone.
      return
    }
  }
}

function requireWritable(root: string, path: string): void {
  let folder = dirname(join(root, path))
  while (!existsSync(folder)) folder = dirname(folder)
  accessSync(folder, constants.W_OK | constants.X_OK)
}

function modeOf(before: number, after: PlannedFile | undefined): number {
  const mode = before & 0o777
  return after?.executable === true ? mode | ((mode & 0o444) >> 2) : mode
}

function isEdited(path: string, written: string): boolean {
  return existsSync(path) && existsSync(written) && !readFileSync(path).equals(readFileSync(written))
}

function journalIn(folder: string): Journal {
  return JSON.parse(readFileSync(join(folder, 'journal.json'), 'utf8')) as Journal
}

function failureOf(cause: unknown): Failure {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Failure(`nothing was written: ${why}`, { cause })
}
