import {
  chmodSync,
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

/**
 * Makes all the changes or none: each new text is written beside its place, then renamed into it, and a file to remove is renamed
 * first and removed at the end; a failure undoes what was done. Folders that become empty go too. It is synchronous so that
 * nothing else in this process can interfere. Throws an Error of one sentence with the cause, also if a file changed after the plan
 * was made.
 */
export function writeChanges(root: string, changes: readonly Change[]): void {
  const undo: (() => void)[] = []
  // By default a signal ends the process half-way. With a listener it waits for the end of this function.
  const hold = (): void => undefined
  process.on('SIGINT', hold).on('SIGTERM', hold)
  try {
    for (const change of changes) refuseChanged(root, change)
    const staged = changes.map((change) => ({ change, aside: stage(root, change, undo) }))
    for (const { change, aside } of staged) put(join(root, change.path), change, aside, undo)
    for (const { change, aside } of staged) {
      if (change.after !== undefined) continue
      rmSync(aside)
      removeEmpty(root, dirname(change.path))
    }
  } catch (cause) {
    for (const step of undo.reverse()) attempt(step)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Nothing was changed; what was already done is undone: ${why}`, { cause })
  } finally {
    process.off('SIGINT', hold).off('SIGTERM', hold)
  }
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

/** Writes the new text beside its place. Returns the path of that file; of a file to remove, the path that it will be moved to. */
function stage(root: string, { path, before, after }: Change, undo: (() => void)[]): string {
  const place = join(root, path)
  const aside = `${place}.add-${process.pid}`
  if (after === undefined) return aside
  makeFolder(dirname(place), undo)
  undo.push(() => rmSync(aside, { force: true }))
  writeFileSync(aside, after, { flag: 'wx' })
  if (before !== undefined) chmodSync(aside, statSync(place).mode)
  return aside
}

function put(place: string, { before, after }: Change, aside: string, undo: (() => void)[]): void {
  if (after === undefined) {
    renameSync(place, aside)
    undo.push(() => renameSync(aside, place))
    return
  }
  renameSync(aside, place)
  undo.push(() => {
    if (before === undefined) rmSync(place, { force: true })
    else writeFileSync(place, before)
  })
}

function makeFolder(folder: string, undo: (() => void)[]): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder), undo)
  mkdirSync(folder)
  undo.push(() => rmdirSync(folder))
}

/** Removes the folder below `root`, and those above it, as far as they are empty. */
function removeEmpty(root: string, folder: string): void {
  if (folder === '.' || readdirSync(join(root, folder)).length > 0) return
  rmdirSync(join(root, folder))
  removeEmpty(root, dirname(folder))
}
