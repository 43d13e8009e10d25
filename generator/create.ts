import { existsSync } from 'node:fs'
import { withoutCancel, type Context } from '../templates/service/src/context/context.ts'
import { strayPeers } from '../templates/service/scripts/doctor/peers.ts'
import { throwIfEnded } from './ended.ts'
import { quoted, type Door } from './door.ts'
import { Failure } from './failure.ts'
import { commitAll } from './git.ts'
import { install } from './install.ts'
import { usableManager } from './manager.ts'
import { fit, listed, type Fitted } from './occupied.ts'
import type { Options } from './options.ts'
import { place, type Placed } from './place.ts'
import { say, step, type Screen } from './progress.ts'
import { planAtRoot, writeAtRoot, type AtRoot } from './at-root.ts'
import { joined, notesOn } from './workspace.ts'
import { agreed, type Choices } from './prompts.ts'
import { ownPackage } from './root.ts'
import { planMember } from './service.ts'
import type { Target } from './target.ts'
import type { Plan } from './tree.ts'
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
  /** The files of the directory that the service kept. */
  readonly kept?: readonly string[]
  /** The files of the directory that the service replaced. */
  readonly replaced?: readonly string[]
  /** The workspace of the service, and the files that the command wrote at its root. */
  readonly workspace?: { readonly root: string; readonly files: readonly string[] }
  readonly dryRun?: true
  readonly verify?: Receipt
}

/** A created service, and the failure of its install: the service is complete without its dependencies. */
export interface Creation {
  readonly created: Created
  readonly failure: Failure | undefined
}

/**
 * Creates the chosen service: files, dependencies, commit, verification. If a step fails or ctx ends, it restores the target;
 * only if the install fails does the service stay.
 * @throws Failure for a problem that the user can fix; the cause of ctx when it ends
 */
export async function create(
  ctx: Context,
  screen: Screen,
  options: Options,
  choices: Choices,
  door: Door,
): Promise<Creation> {
  const { target, example } = choices
  const workspace = joined(choices.workspace)
  const manager = await usableManager(ctx, choices.manager, door, workspace?.version)
  const service = { name: target.name, example, manager, workspace: workspace?.path }
  const { plan, alone } = await planMember(ctx, service)
  const ofTheRoot: Plan = workspace === undefined ? new Map() : planAtRoot(service, alone, workspace)
  const fitted = target.exists ? fit(plan, target) : { plan, kept: [], replaced: [], others: [] }
  const force = options.force || (await allowed(ctx, fitted, target, choices.asking))
  const made = {
    name: target.name,
    directory: target.path,
    packageManager: manager.name,
    repeat: repeatLine({ ...options, force }, choices, door),
    files: [...fitted.plan.keys()],
    ...(fitted.kept.length > 0 ? { kept: fitted.kept } : {}),
    ...(fitted.replaced.length > 0 ? { replaced: fitted.replaced } : {}),
    ...(workspace === undefined ? {} : { workspace: { root: workspace.root, files: [...ofTheRoot.keys()] } }),
  }
  if (choices.workspace !== undefined) for (const note of notesOn(choices.workspace)) say(screen, note)
  if (options.dryRun)
    return { created: { ...made, installed: false, git: false, dryRun: true }, failure: undefined }

  const placed = await place(ctx, fitted.plan, target)
  let atRoot: AtRoot | undefined
  try {
    if (workspace !== undefined) atRoot = await writeAtRoot(ctx, workspace.root, ofTheRoot)
    const failure = choices.install ? await installed(ctx, screen, choices) : undefined
    if (choices.install && failure === undefined && workspace !== undefined)
      for (const { seen, fix } of strayPeers(target.path, workspace.root))
        say(screen, `peers: ${seen}: ${fix}`)
    const git = choices.git && (await commit(ctx, screen, choices, fitted.plan, placed))
    const receipt =
      options.verify && failure === undefined
        ? await step(ctx, screen, 'Verifying', (ctx) => verify(ctx, manager.name, target.path))
        : undefined
    throwIfEnded(ctx)
    await placed.settle(ctx)
    const done = { ...made, installed: choices.install && failure === undefined, git }
    return { created: receipt === undefined ? done : { ...done, verify: receipt }, failure }
  } catch (error) {
    await atRoot?.undo(withoutCancel(ctx))
    await placed.undo(withoutCancel(ctx))
    if (existsSync(target.path) && !target.exists)
      say(screen, `could not remove ${target.path}: remove it by hand`)
    throw error
  }
}

/**
 * Reports whether the service may be written into the directory without `--force`; asks the user if files would be lost or mixed.
 * @returns true if the user agreed to lose files or to mix the service with others, false if nothing needs an agreement
 * @throws Failure without a terminal, or if the user says no
 */
async function allowed(
  ctx: Context,
  { replaced, others }: Fitted,
  { given }: Target,
  asking: boolean,
): Promise<boolean> {
  const [fact, question] =
    replaced.length > 0
      ? [`${given} holds files that the service would replace (${listed(replaced)})`, 'Replace them?']
      : [`${given} exists and is not empty (${listed(others)})`, 'Add the service to it?']
  if (replaced.length === 0 && others.length === 0) return false
  if (!asking) {
    const effect = replaced.length > 0 ? 'replace them' : 'add the service to it'
    throw new Failure(`${fact}: choose another directory, or --force to ${effect}`)
  }
  if (!(await agreed(ctx, `${fact}. ${question}`)))
    throw new Failure('nothing was written: choose another directory')
  return true
}

/** Installs the dependencies. @returns the failure, with the command to continue, or undefined */
async function installed(
  ctx: Context,
  screen: Screen,
  { target, manager, workspace }: Choices,
): Promise<Failure | undefined> {
  const root = joined(workspace)?.root ?? target.path
  try {
    await step(ctx, screen, `Installing with ${manager}`, (ctx) => install(ctx, manager, target.path, root))
    return undefined
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const goOn = `fix that, then run cd ${quoted(target.given)} && ${manager} install`
    return new Failure(`${error.message}; the service is complete without its dependencies: ${goOn}`, {
      cause: error,
      output: error.output,
    })
  }
}

async function commit(
  ctx: Context,
  screen: Screen,
  { target, workspace }: Choices,
  plan: Plan,
  { scratch }: Placed,
): Promise<boolean> {
  const message = `Create ${target.name} with create-mainstem ${ownPackage().version}`
  const isMember = joined(workspace) !== undefined
  const { done, note } = await commitAll(ctx, target.path, message, [...plan.keys()], scratch, isMember)
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
