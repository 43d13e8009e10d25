import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { mkdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { withoutCancel, type Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import { errorCode, fileFailure } from './failure.ts'
import type { Target } from './target.ts'
import { kindOf, writePlan, type Plan } from './tree.ts'

/** A service at its target that can still be undone. */
export interface Placed {
  /** A folder in the target that `settle` removes. It is not part of the service, so git must not commit it. */
  readonly scratch: string | undefined
  /** Removes what `undo` needs. */
  settle(ctx: Context): Promise<void>
  /** Restores the target, except for changes of an install inside of an older node_modules. */
  undo(ctx: Context): Promise<void>
}

/**
 * Writes `plan` to a hidden folder on the target's file system and moves it into place. One rename creates a target that
 * does not exist; into an existing one it renames file by file, and keeps replaced files for `undo`. If anything fails or
 * ctx ends, it leaves nothing behind.
 *
 * Dependencies are installed afterwards, in the final place, because pnpm and install scripts write absolute paths into
 * node_modules, which a later rename would break.
 * @throws Failure if the file system refuses; the cause of ctx when it ends
 */
export async function place(ctx: Context, plan: Plan, target: Target): Promise<Placed> {
  // Inside of an existing target, because its parent may be another file system, or not writable.
  const home = target.exists ? target.path : dirname(target.path)
  const scratch = join(home, `.${target.name}-${randomBytes(4).toString('hex')}`)
  const made = join(scratch, 'new')
  const parents: string[] = []
  try {
    // One by one, because Node's recursive mkdir never returns in a place where no folder can be created (/proc).
    for (const parent of target.missing) if (await makeFolder(parent)) parents.unshift(parent)
    await mkdir(scratch)
    await mkdir(made)
    await writePlan(ctx, plan, made)
    if (!target.exists) return await moveWhole(made, scratch, target, parents)
    return await moveEach(ctx, plan, scratch, target)
  } catch (error) {
    await remove(withoutCancel(ctx), scratch)
    await removeEmpty(parents)
    // An error of a write, such as a full disk, names no path.
    const writing = error instanceof Error && 'syscall' in error && error.syscall === 'write'
    const ours = writing || [scratch, target.path, ...target.missing].some((path) => concerns(error, path))
    throw ours ? fileFailure(error, target.given) : error
  }
}

/** @returns false if another program has created it meanwhile */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST' && kindOf(path) === 'folder') return false
    throw error
  }
}

/** Removes the folders, the innermost first, as long as they are empty. */
async function removeEmpty(folders: readonly string[]): Promise<void> {
  try {
    for (const folder of folders) await rmdir(folder)
  } catch {
    // If one is in use, so are those above it.
  }
}

/** Whether the error is about a file at `path` or below, rather than about one of our templates. */
function concerns(error: unknown, path: string): boolean {
  return error instanceof Error && 'path' in error && String(error.path).startsWith(path)
}

/** Removes a tree if it exists. Pass a context that does not end: the removal must not be cut short. */
async function remove(_ctx: Context, path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

async function moveWhole(
  made: string,
  scratch: string,
  target: Target,
  parents: readonly string[],
): Promise<Placed> {
  await rename(made, target.path)
  await rmdir(scratch)
  return {
    scratch: undefined,
    settle: () => Promise.resolve(),
    undo: async (ctx) => {
      await remove(withoutCancel(ctx), target.path)
      await removeEmpty(parents)
    },
  }
}

async function moveEach(ctx: Context, plan: Plan, scratch: string, target: Target): Promise<Placed> {
  const before = new Set(readdirSync(target.path))
  const undoSteps: (() => Promise<unknown>)[] = []
  async function undo(ctx: Context): Promise<void> {
    for (const step of undoSteps.reverse()) await step()
    for (const entry of readdirSync(target.path)) {
      if (!before.has(entry)) await remove(withoutCancel(ctx), join(target.path, entry))
    }
    await remove(withoutCancel(ctx), scratch)
  }
  try {
    for (const path of plan.keys()) {
      throwIfEnded(ctx)
      const file = join(target.path, path)
      const old = join(scratch, 'old', path)
      const firstMade = await mkdir(dirname(file), { recursive: true })
      if (firstMade !== undefined) undoSteps.push(() => remove(withoutCancel(ctx), firstMade))
      if (kindOf(file) !== 'none') {
        await mkdir(dirname(old), { recursive: true })
        await rename(file, old)
        undoSteps.push(() => rename(old, file))
      }
      await rename(join(scratch, 'new', path), file)
      undoSteps.push(() => rm(file, { force: true }))
    }
  } catch (error) {
    await undo(withoutCancel(ctx))
    throw error
  }
  return {
    scratch: relative(target.path, scratch),
    undo,
    settle: (ctx) => remove(withoutCancel(ctx), scratch),
  }
}
