import { existsSync } from 'node:fs'
import { withoutCancel, type Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import type { Door } from './door.ts'
import { commitAll } from './git.ts'
import { install } from './install.ts'
import type { Options } from './options.ts'
import { place, type Placed } from './place.ts'
import { say, step, type Screen } from './progress.ts'
import type { Choices } from './prompts.ts'
import { ownPackage } from './root.ts'
import { planService } from './service.ts'
import { verify, type Receipt } from './verify.ts'

/** The created service: the object that `--json` prints. */
export interface Created {
  readonly name: string
  readonly directory: string
  readonly files: readonly string[]
  readonly packageManager: string
  readonly installed: boolean
  readonly git: boolean
  /** The command line that repeats this run without questions. */
  readonly repeat: string
  readonly dryRun?: true
  readonly verify?: Receipt
}

/**
 * Creates the chosen service: files, dependencies, commit, verification. If it fails or ctx ends, it restores the target.
 * @throws Failure for a problem that the user can fix; the cause of ctx when it ends
 */
export async function create(
  ctx: Context,
  screen: Screen,
  options: Options,
  choices: Choices,
  door: Door,
): Promise<Created> {
  const { target, manager } = choices
  const service = { name: target.name, example: choices.example }
  const made = {
    name: target.name,
    directory: target.path,
    packageManager: manager,
    repeat: repeatLine(options, choices, door),
  }
  if (options.dryRun) {
    const plan = await planService(ctx, service)
    return { ...made, files: [...plan.keys()], installed: false, git: false, dryRun: true }
  }

  const placed = await place(ctx, service, target)
  try {
    if (choices.install) {
      await step(ctx, screen, `Installing with ${manager}`, (ctx) => install(ctx, manager, target.path))
    }
    const git = choices.git && (await commit(ctx, screen, choices, placed))
    const receipt = options.verify
      ? await step(ctx, screen, 'Verifying', (ctx) => verify(ctx, manager, target.path))
      : undefined
    throwIfEnded(ctx)
    await placed.settle(ctx)
    return {
      ...made,
      files: [...placed.plan.keys()],
      installed: choices.install,
      git,
      ...(receipt === undefined ? {} : { verify: receipt }),
    }
  } catch (error) {
    await placed.undo(withoutCancel(ctx))
    if (existsSync(target.path) && !target.exists)
      say(screen, `could not remove ${target.path}: remove it by hand`)
    throw error
  }
}

async function commit(
  ctx: Context,
  screen: Screen,
  { target }: Choices,
  { plan, scratch }: Placed,
): Promise<boolean> {
  const message = `Create ${target.name} with create-mainstem ${ownPackage().version}`
  const { done, note } = await commitAll(ctx, target.path, message, [...plan.keys()], scratch)
  say(screen, `git: ${note}`)
  return done
}

function repeatLine(options: Options, choices: Choices, door: Door): string {
  const { target, manager } = choices
  const flags: [string, boolean][] = [
    ['--yes', true],
    ['--no-install', !choices.install],
    ['--no-git', !choices.git],
    ['--no-example', !choices.example],
    [`--pm ${manager}`, manager !== door.manager],
    ['--dry-run', options.dryRun],
    ['--json', options.json],
    ['--force', options.force],
    ['--verify', options.verify],
  ]
  return door.line([target.given, ...flags.flatMap(([flag, on]) => (on ? [flag] : []))])
}
