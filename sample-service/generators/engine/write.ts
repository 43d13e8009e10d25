import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Change } from './plan.ts'
import { blobId } from './record.ts'

/** Where the new texts lie while they are put in their places. */
const pending = '.data/add'
const staging = `${pending}.new`

/** Git's ids of a file's texts; undefined where there is no file. Its new text lies in `pending`, under the number of the entry. */
interface Entry {
  readonly path: string
  readonly before?: string | undefined
  readonly after?: string | undefined
}

/**
 * Makes all the changes or none, also if the process is killed: the new texts are written aside, one rename makes them valid, and
 * then each is put in its place. After a kill `finishWriting` does the rest; a failure undoes what was done. Folders that become empty go
 * too. It is synchronous so that nothing else in this process can interfere. Throws an Error of one sentence with the cause, also if
 * a file changed after the plan was made.
 */
export function writeChanges(root: string, changes: readonly Change[]): void {
  const undo: (() => void)[] = []
  // By default a signal ends the process half-way. With a listener it waits for the end of this function.
  const hold = (): void => undefined
  process.on('SIGINT', hold).on('SIGTERM', hold)
  try {
    undo.push(() => forget(root))
    for (const change of changes) refuseChanged(root, change)
    const entries = stage(root, changes)
    putAll(root, entries, undo)
    forget(root)
  } catch (cause) {
    for (const step of undo.reverse()) attempt(step)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Nothing was changed; what was already done is undone: ${why}`, { cause })
  } finally {
    process.off('SIGINT', hold).off('SIGTERM', hold)
  }
}

/**
 * Finishes what a killed process began to write. Returns whether there was something to finish. Throws an Error of one sentence if a
 * file has changed since.
 */
export function finishWriting(root: string): boolean {
  const list = join(root, pending, 'entries.json')
  if (!existsSync(list)) {
    forget(root)
    return false
  }
  const entries = JSON.parse(readFileSync(list, 'utf8')) as readonly Entry[]
  const changed = entries.find(({ path, before, after }) => ![before, after].includes(idOf(root, path)))
  if (changed !== undefined)
    throw new Error(
      `A run was killed while it wrote, and ${changed.path} has changed since: see git status, then remove ${pending}.`,
    )
  putAll(root, entries, [])
  forget(root)
  return true
}

function idOf(root: string, path: string): string | undefined {
  const place = join(root, path)
  return existsSync(place) ? blobId(readFileSync(place)) : undefined
}

/** A step that cannot be undone must not keep the others from being undone. */
function attempt(step: () => void): void {
  try {
    step()
  } catch (cause) {
    process.emitWarning(`could not undo a step: ${String(cause)}`)
  }
}

function refuseChanged(root: string, { path, before }: Change): void {
  const place = join(root, path)
  const now = existsSync(place) ? readFileSync(place, 'utf8') : undefined
  if (now !== before) throw new Error(`${path} changed while the plan was made: run the command again.`)
}

/** Writes the new texts aside, and makes them valid. */
function stage(root: string, changes: readonly Change[]): readonly Entry[] {
  rmSync(join(root, staging), { recursive: true, force: true })
  mkdirSync(join(root, staging), { recursive: true })
  const entries = changes.map(({ path, after }, number): Entry => {
    if (after !== undefined) writeFileSync(join(root, staging, String(number)), after)
    return {
      path,
      before: idOf(root, path),
      after: after === undefined ? undefined : blobId(Buffer.from(after)),
    }
  })
  writeFileSync(join(root, staging, 'entries.json'), JSON.stringify(entries))
  renameSync(join(root, staging), join(root, pending))
  return entries
}

function putAll(root: string, entries: readonly Entry[], undo: (() => void)[]): void {
  for (const [number, entry] of entries.entries()) put(root, entry, number, undo)
  for (const { path, after } of entries) if (after === undefined) removeEmpty(root, dirname(path))
}

/** Safe to repeat: a killed process may have done it. It copies, because .data/ may lie on another disk. */
function put(root: string, { path, after }: Entry, number: number, undo: (() => void)[]): void {
  const place = join(root, path)
  const before = existsSync(place) ? { bytes: readFileSync(place), mode: statSync(place).mode } : undefined
  const aside = `${place}.add`
  // First, so that it is undone last.
  if (after !== undefined) makeFolder(dirname(place), undo)
  undo.push(() => {
    rmSync(aside, { force: true })
    if (before === undefined) rmSync(place, { force: true })
    else writeFileSync(place, before.bytes, { mode: before.mode })
  })
  if (after === undefined) {
    rmSync(place, { force: true })
    return
  }
  copyFileSync(join(root, pending, String(number)), aside)
  if (before !== undefined) chmodSync(aside, before.mode)
  renameSync(aside, place)
}

/** Removes what was written aside, and .data/ if nothing else is in it. */
function forget(root: string): void {
  rmSync(join(root, staging), { recursive: true, force: true })
  // A process that is killed while it removes the files must not leave a part of them as valid.
  if (existsSync(join(root, pending))) renameSync(join(root, pending), join(root, staging))
  rmSync(join(root, staging), { recursive: true, force: true })
  const folder = join(root, dirname(pending))
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder)
}

function makeFolder(folder: string, undo: (() => void)[]): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder), undo)
  mkdirSync(folder)
  undo.push(() => rmdirSync(folder))
}

/** Removes the folder below `root`, and those above it, as far as they are empty. */
function removeEmpty(root: string, folder: string): void {
  const path = join(root, folder)
  if (folder === '.' || !existsSync(path) || readdirSync(path).length > 0) return
  rmdirSync(path)
  removeEmpty(root, dirname(folder))
}
