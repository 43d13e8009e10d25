import { randomBytes } from 'node:crypto'
import { lstatSync, readdirSync } from 'node:fs'
import { mkdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { withoutCancel, type Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import { errorCode, Failure, fileFailure } from './failure.ts'
import { writeService, type Service } from './service.ts'
import type { Target } from './target.ts'
import type { Plan } from './tree.ts'

/** A service that stands at its target, and can still be taken back. */
export interface Placed {
  readonly plan: Plan
  /** A folder in the target that is not part of the service, until `settle`: git must not see it. */
  readonly scratch: string | undefined
  /** Makes it final. */
  settle(ctx: Context): Promise<void>
  /** Leaves the target as it was, except what an install changed inside a node_modules that was there before. */
  undo(ctx: Context): Promise<void>
}

/**
 * Makes the service in a hidden folder on the target's own file system and moves it into place: a target that does not exist
 * comes to be by one rename, files for one that does are renamed in one by one, those they replace kept for `undo`.
 * Whatever fails or ends ctx, nothing of it is left.
 *
 * Dependencies are installed after this, in the final place: pnpm writes absolute paths into node_modules, and so may
 * any package's install script, which a later rename would break.
 * @throws Failure for what the file system refuses; the cause of ctx when it ends
 */
export async function place(ctx: Context, service: Service, target: Target): Promise<Placed> {
  // In a target that exists, since beside it may be another file system, or no permission to write.
  const home = target.exists ? target.path : dirname(target.path)
  const scratch = join(home, `.${target.name}-${randomBytes(4).toString('hex')}`)
  const made = join(scratch, 'new')
  try {
    // Each by itself: where nobody may create (/proc), Node's recursive mkdir tries for ever.
    await mkdir(scratch)
    await mkdir(made)
    const plan = await writeService(ctx, service, made)
    if (!target.exists) return await moveWhole(plan, made, scratch, target)
    return await moveEach(ctx, plan, scratch, target)
  } catch (error) {
    await remove(withoutCancel(ctx), scratch)
    throw concerns(error, scratch) || concerns(error, target.path) ? fileFailure(error, target.given) : error
  }
}

/** Whether the file system refused something at `path` or below, and not a template of ours. */
function concerns(error: unknown, path: string): boolean {
  return error instanceof Error && 'path' in error && String(error.path).startsWith(path)
}

/** Removes a tree, or nothing if it is not there. Not to be cut short: hand it a context that does not end. */
async function remove(_ctx: Context, path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

async function moveWhole(plan: Plan, made: string, scratch: string, target: Target): Promise<Placed> {
  await rename(made, target.path)
  await rmdir(scratch)
  return {
    plan,
    scratch: undefined,
    settle: () => Promise.resolve(),
    undo: (ctx) => remove(withoutCancel(ctx), target.path),
  }
}

async function moveEach(ctx: Context, plan: Plan, scratch: string, target: Target): Promise<Placed> {
  for (const path of plan.keys()) refuseObstacle(path, target)
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
    plan,
    scratch: relative(target.path, scratch),
    undo,
    settle: (ctx) => remove(withoutCancel(ctx), scratch),
  }
}

/** A folder where a file must go, or a file or link where a folder must: nothing of ours may lead out of the target. */
function refuseObstacle(path: string, target: Target): void {
  const parts = path.split('/')
  for (let depth = 1; depth <= parts.length; depth++) {
    const part = parts.slice(0, depth).join(sep)
    const kind = kindOf(join(target.path, part))
    if (kind === 'none') return
    const wanted = depth === parts.length ? 'file' : 'folder'
    if (kind !== wanted && !(wanted === 'file' && kind === 'link')) {
      throw new Failure(
        `${join(target.given, part)} is a ${kind} where the service needs a ${wanted}: move it away first`,
      )
    }
  }
}

function kindOf(path: string): 'none' | 'file' | 'folder' | 'link' {
  try {
    const stats = lstatSync(path)
    return stats.isSymbolicLink() ? 'link' : stats.isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'none'
    throw error
  }
}
