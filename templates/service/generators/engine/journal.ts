import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { removeEmptyFolder } from './lock.ts'
import { blobId } from './record.ts'

/** A file that a run writes, or removes (then `after` is undefined). */
export interface FileChange {
  readonly path: string
  readonly after: Uint8Array | undefined
  readonly executable?: boolean
}

/** What a run is about to write, or what a killed run was about to write. */
export interface Journal {
  readonly by: 'add' | 'update'
  readonly entries: readonly Entry[]
  /** Further data with which a later run can finish this one. */
  readonly about: unknown
}

/** Git's ids of a file's contents; undefined without a file. `old/` and `new/` hold the contents under the entry's number. */
export interface Entry {
  readonly path: string
  /** `saved`: another program may change it afterwards, so its content is kept. */
  readonly kind: 'write' | 'remove' | 'saved'
  readonly before?: string | undefined
  readonly after?: string | undefined
  readonly mode: number
}

/** The folder of the contents until they are moved to their places. */
export const pending = '.data/pending'
const staging = `${pending}.new`

/**
 * Makes all the changes or none, even if the process is killed. It writes all contents to a folder, makes the journal valid by
 * one rename, copies each content to its place, and calls `done`. After a kill `finish` does the rest. If a step or `done` fails,
 * it undoes everything. It is synchronous so that nothing else in this process can interfere.
 */
export function writeJournal(
  root: string,
  { by, about }: Omit<Journal, 'entries'>,
  changes: readonly FileChange[],
  saved: readonly string[],
  done: (folder: string) => void,
): void {
  // By default a signal ends the process half-way. With a listener it waits for the end of this function.
  const hold = (): void => undefined
  process.on('SIGINT', hold).on('SIGTERM', hold)
  try {
    try {
      stage(root, { by, about }, changes, saved)
    } catch (cause) {
      // Keeps a valid journal: it belongs to a killed run, which could not be finished without it.
      unstage(root)
      throw cause
    }
    finish(root, done)
  } finally {
    process.off('SIGINT', hold).off('SIGTERM', hold)
  }
}

/** The journal of a run that was killed while it wrote; undefined if there is none. Writes nothing. */
export function unfinished(root: string): Journal | undefined {
  const list = join(root, pending, 'journal.json')
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Journal) : undefined
}

/**
 * Why the run cannot be finished, and what to do: a file is neither as it was before the run nor as the run would leave it.
 * Undefined if the run can be finished.
 */
export function whyNotFinished(root: string, { by, entries }: Journal): string | undefined {
  const known = (path: string): unknown[] =>
    // Some disks treat names that differ only in case as one.
    entries
      .filter((one) => one.path.toLowerCase() === path.toLowerCase())
      .flatMap(({ before, after }) => [before, after])
  const changed = entries.find(
    ({ path, kind }) => kind !== 'saved' && !known(path).includes(idOf(root, path)),
  )
  if (changed === undefined) return undefined
  const [run, way] =
    by === 'add'
      ? ['npm run add', `see git status, then remove ${pending}`]
      : ['an update', 'update --abort undoes it and keeps a copy of what you changed']
  return `${run} was killed while it wrote, and ${changed.path} has changed since: ${way}`
}

/** Puts the files of the journal in their places. Safe to repeat. If it fails, it undoes what it did. */
export function finish(root: string, done: (folder: string) => void): void {
  const folder = join(root, pending)
  const entries = unfinished(root)?.entries ?? []
  try {
    // If a disk treats two names as one, the old file must be removed first.
    for (const kind of ['remove', 'write'] as const)
      for (const [number, entry] of entries.entries()) if (entry.kind === kind) put(root, entry, number)
    done(folder)
  } catch (cause) {
    const left = undoAll(root, folder, entries)
    if (left.length === 0) forget(root)
    else process.emitWarning(`could not restore ${left.join(', ')}; ${pending}/old has the contents`)
    throw cause
  }
}

/** Puts every file back as it was before the run. `folder` holds the journal. Returns the paths that could not be put back. */
export function undoAll(root: string, folder: string, entries: readonly Entry[]): string[] {
  const failed: string[] = []
  for (const kind of ['write', 'remove', 'saved'] as const)
    for (const [number, entry] of entries.entries()) {
      if (entry.kind !== kind) continue
      try {
        undo(root, join(folder, 'old', String(number)), entry)
      } catch {
        failed.push(entry.path)
      }
    }
  return failed
}

/** Removes the journal and its contents, and .data/ if it is empty then. */
export function forget(root: string): void {
  rmSync(join(root, staging), { recursive: true, force: true })
  // A process that is killed during the removal must not leave a valid journal with a part of the files.
  if (existsSync(join(root, pending))) renameSync(join(root, pending), join(root, staging))
  unstage(root)
}

function unstage(root: string): void {
  rmSync(join(root, staging), { recursive: true, force: true })
  removeEmpty(root, dirname(pending))
}

/** Git's id of the file; undefined if there is none. */
export function idOf(root: string, path: string): string | undefined {
  const place = join(root, path)
  return existsSync(place) ? blobId(readFileSync(place)) : undefined
}

/** Writes the contents to the journal, and makes it valid. */
function stage(
  root: string,
  about: Omit<Journal, 'entries'>,
  changes: readonly FileChange[],
  saved: readonly string[],
): void {
  const aside = join(root, staging)
  rmSync(aside, { recursive: true, force: true })
  mkdirSync(join(aside, 'new'), { recursive: true })
  mkdirSync(join(aside, 'old'))
  const all = [...changes, ...saved.map((path) => ({ path, after: undefined, executable: false }))]
  const entries = all.map(({ path, after, executable = false }, number): Entry => {
    const place = join(root, path)
    const kind = number >= changes.length ? 'saved' : after === undefined ? 'remove' : 'write'
    if (kind !== 'saved') requireOwn(root, path)
    const before = idOf(root, path)
    if (before !== undefined) copyFileSync(place, join(aside, 'old', String(number)))
    const copy = join(aside, 'new', String(number))
    if (after !== undefined) writeFileSync(copy, after)
    // A new file gets the mode that the umask gave to its copy.
    const stats = statSync(before === undefined ? copy : place, { throwIfNoEntry: false })
    const mode = (stats?.mode ?? 0) & 0o777
    return {
      path,
      kind,
      before,
      after: after && blobId(after),
      // Everyone who may read it may execute it.
      mode: executable ? mode | ((mode & 0o444) >> 2) : mode,
    }
  })
  writeFileSync(join(aside, 'journal.json'), JSON.stringify({ ...about, entries }))
  renameSync(aside, join(root, pending))
}

/** Throws if the path cannot be written, is a link, or is below a link that leads out of the service. */
function requireOwn(root: string, path: string): void {
  const place = join(root, path)
  if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === true)
    throw new Error(`${path} is a link: replace it by a file, or change its target by hand`)
  let folder = dirname(place)
  while (!existsSync(folder)) folder = dirname(folder)
  if (!`${realpathSync(folder)}${sep}`.startsWith(`${realpathSync(root)}${sep}`))
    throw new Error(`${path} is below a link that leads out of the service: change the file by hand`)
  accessSync(folder, constants.W_OK | constants.X_OK)
}

/** Safe to repeat, because a killed process may have done it. It copies, because .data/ may be on another disk. */
function put(root: string, { path, kind, mode }: Entry, number: number): void {
  if (kind === 'write') replace(join(root, path), join(root, pending, 'new', String(number)), mode)
  else remove(root, path)
}

function undo(root: string, old: string, { path, before }: Entry): void {
  rmSync(asideOf(join(root, path)), { force: true })
  // The copy has the mode of the file.
  if (before === undefined) remove(root, path)
  else replace(join(root, path), old, statSync(old).mode)
}

/** Copies to a file next to the place first, so that a reader sees the old file or the new one. */
function replace(place: string, source: string, mode: number): void {
  mkdirSync(dirname(place), { recursive: true })
  const aside = asideOf(place)
  rmSync(aside, { force: true })
  copyFileSync(source, aside)
  chmodSync(aside, mode)
  renameSync(aside, place)
}

function asideOf(place: string): string {
  return `${place}.mainstem-new`
}

/** Removes the file, and the folders above it that are empty then. */
function remove(root: string, path: string): void {
  rmSync(join(root, path), { force: true })
  removeEmpty(root, dirname(path))
}

function removeEmpty(root: string, folder: string): void {
  const place = join(root, folder)
  if (folder === '.') return
  if (existsSync(place)) {
    removeEmptyFolder(place)
    if (existsSync(place)) return
  }
  removeEmpty(root, dirname(folder))
}
