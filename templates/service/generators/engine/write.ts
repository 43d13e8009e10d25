import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { finish, forget, unfinished, whyNotFinished, writeJournal } from './journal.ts'
import type { Change } from './plan.ts'

/** Makes all the changes or none. Throws if a file has changed since the plan was made. */
export function writeChanges(root: string, changes: readonly Change[]): void {
  try {
    for (const change of changes) refuseChanged(root, change)
    const files = changes.map(({ path, after }) => ({
      path,
      after: after === undefined ? undefined : Buffer.from(after),
    }))
    writeJournal(root, { by: 'add', about: undefined }, files, [], () => forget(root))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Nothing was changed; what was already done is undone: ${why}`, { cause })
  }
}

/**
 * Finishes what a killed `npm run add` began to write. Returns whether there was such a run. Throws if a file has changed since,
 * or if instead an update was killed.
 */
export function finishWriting(root: string): boolean {
  const journal = unfinished(root)
  if (journal === undefined) {
    forget(root)
    return false
  }
  if (journal.by === 'update')
    throw new Error(
      'An update was killed while it wrote: run npm run update, which finishes it, and then run this again.',
    )
  const why = whyNotFinished(root, journal)
  if (why !== undefined) throw new Error(`${why}.`)
  finish(root, () => forget(root))
  return true
}

/** Throws if a killed run must be finished, because a dry run writes nothing. */
export function refuseUnfinished(root: string): void {
  const journal = unfinished(root)
  if (journal === undefined) return
  const command = journal.by === 'update' ? 'npm run update' : 'the same command without --dry-run'
  throw new Error(`A run was killed while it wrote, and --dry-run cannot finish it: run ${command}.`)
}

function refuseChanged(root: string, { path, before }: Change): void {
  const place = join(root, path)
  const now = existsSync(place) ? readFileSync(place, 'utf8') : undefined
  if (now !== before) throw new Error(`${path} changed while the plan was made: run the command again.`)
}
