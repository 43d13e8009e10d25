import { forget, idOf } from '../../templates/service/generators/engine/journal.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { throwIfEnded } from '../ended.ts'
import { Failure } from '../failure.ts'
import { unstage, type Repository } from './git.ts'
import { waitingUpdate, lastUpdate, takeBack, type Written } from './journal.ts'
import type { UpdateResult } from './result.ts'

/**
 * `--abort`: undoes the last update, or the one that was killed while it wrote.
 * @throws Failure if there is none, or if something was committed since
 */
export function aborted(ctx: Context, root: string, repository: Repository | undefined): UpdateResult {
  throwIfEnded(ctx)
  const killed = waitingUpdate(root)
  const update = killed ?? lastUpdate(root)
  if (update === undefined) throw new Failure('there is no update to undo')
  if (repository !== undefined && repository.head !== update.head) {
    if (killed !== undefined) return forgotten(root, killed)
    throw new Failure('something was committed since the update: undo the update with git revert')
  }
  const { changed, kept } = restoreLast(ctx, root, repository, update)
  return resultOf(
    update,
    changed.map((path) => `${path} had changed since the update: a copy is in ${kept}`),
  )
}

/** Undoes an update, in the index too. @returns the files that had changed since, and where a copy of each is */
export function restoreLast(
  _ctx: Context,
  root: string,
  repository: Repository | undefined,
  update: Written,
): { changed: readonly string[]; kept: string } {
  // Unstages first, so that a refused undo can be repeated. If the user's later stagings stayed, a commit would hold texts that
  // are no longer on the disk.
  const written = update.entries.filter(({ kind }) => kind !== 'saved').map(({ path }) => path)
  if (repository?.head !== undefined) unstage(root, [...written, ...update.conflicts])
  return takeBack(root, update)
}

/** Forgets a killed update. Later commits may contain its files, so the files stay as they are. */
function forgotten(root: string, killed: Written): UpdateResult {
  const written = killed.entries.filter(
    ({ path, kind, before, after }) => kind !== 'saved' && before !== after && idOf(root, path) === after,
  )
  forget(root)
  const notes = written.map(({ path }) => `${path} is as that update left it, and was not restored`)
  return resultOf(killed, notes)
}

function resultOf({ from, to }: Written, notes: readonly string[]): UpdateResult {
  return { from: to, to: from, state: 'taken back', dryRun: false, installed: false, files: [], notes }
}
