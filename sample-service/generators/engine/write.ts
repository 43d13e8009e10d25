import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Change } from './plan.ts'

/**
 * Writes all the changes or none: each file is written beside its place, then renamed into it; a failure undoes what was done. It
 * is synchronous so that nothing else in this process can interfere. Throws an Error of one sentence with the cause, also if a
 * file changed after the plan was made.
 */
export function writeChanges(root: string, changes: readonly Change[]): void {
  const undo: (() => void)[] = []
  // By default a signal ends the process half-way. With a listener it waits for the end of this function.
  const hold = (): void => undefined
  process.on('SIGINT', hold).on('SIGTERM', hold)
  try {
    const staged = changes.map((change) => ({ change, aside: stage(root, change, undo) }))
    for (const { change, aside } of staged) {
      const path = join(root, change.path)
      renameSync(aside, path)
      undo.push(() => {
        if (change.before === undefined) rmSync(path, { force: true })
        else writeFileSync(path, change.before)
      })
    }
  } catch (cause) {
    for (const step of undo.reverse()) attempt(step)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Nothing was added; what was already written is undone: ${why}`, { cause })
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

/** Writes the text beside its place and returns the path of that file. */
function stage(root: string, change: Change, undo: (() => void)[]): string {
  const path = join(root, change.path)
  const now = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  if (now !== change.before)
    throw new Error(`${change.path} changed while the plan was made: run the command again.`)
  makeFolder(dirname(path), undo)
  const aside = `${path}.add-${process.pid}`
  undo.push(() => rmSync(aside, { force: true }))
  writeFileSync(aside, change.after, { flag: 'wx' })
  if (now !== undefined) chmodSync(aside, statSync(path).mode)
  return aside
}

function makeFolder(folder: string, undo: (() => void)[]): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder), undo)
  mkdirSync(folder)
  undo.push(() => rmdirSync(folder))
}
