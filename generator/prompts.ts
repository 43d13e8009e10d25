import { CANCEL_SYMBOL, confirm, intro, select, text } from '@clack/prompts'
import { cause, type Context } from '../templates/service/src/context/context.ts'
import { SignalReceived } from '../templates/service/src/context/signals.ts'
import { repositoryAround } from './git.ts'
import type { Options } from './options.ts'
import { findOnPath, packageManagers, type PackageManager } from './package-manager.ts'
import { targetFrom, type Target } from './target.ts'
import { joined, requireUsable, workspaceOf, type Workspace } from './workspace.ts'

/** All decisions that creating a service needs. */
export interface Choices {
  readonly target: Target
  readonly example: boolean
  readonly manager: PackageManager
  /** The workspace around the target, if there is one. */
  readonly workspace: Workspace | undefined
  readonly install: boolean
  readonly git: boolean
  /** Whether a person at a terminal answers questions. */
  readonly asking: boolean
}

/**
 * Takes the choices from the flags and uses defaults for the rest.
 * @throws Failure if the workspace of the target cannot have such a service
 */
export function defaults(options: Options, target: Target, manager: PackageManager): Choices {
  const workspace = workspaceOf(target.path)
  if (workspace !== undefined) requireUsable(workspace, options.pm)
  return {
    target,
    workspace,
    example: options.example ?? true,
    manager: options.pm ?? joined(workspace)?.manager ?? manager,
    install: options.install ?? true,
    git: options.git ?? true,
    asking: false,
  }
}

/** The answer that Enter gives. */
const usual = 'my-service'

/** Asks a question whose answer is no unless the user says yes. @throws as `ask` does */
export async function agreed(ctx: Context, message: string): Promise<boolean> {
  return answered(ctx, await confirm({ message, initialValue: false, signal: ctx.signal }))
}

/**
 * Asks in the terminal for every choice that no flag makes. Every question has a flag.
 * @throws SignalReceived for Ctrl-C, which arrives as a key while a question is open; the cause of ctx when it ends
 */
export async function ask(
  ctx: Context,
  options: Options,
  given: Target | undefined,
  manager: PackageManager,
): Promise<Choices> {
  const { signal } = ctx
  const look = (directory: string): Target => targetFrom(directory, process.cwd())
  intro('create-mainstem')
  const target =
    given ??
    look(
      answered(
        ctx,
        await text({
          message: 'In which directory?',
          placeholder: usual,
          defaultValue: usual,
          signal,
          validate: complaint,
        }),
      ),
    )
  const chosen = defaults(options, target, manager)
  const example =
    options.example ??
    answered(ctx, await confirm({ message: 'Include the example, an API for documents?', signal }))
  const install =
    options.install ?? answered(ctx, await confirm({ message: 'Install the dependencies?', signal }))
  const pm =
    options.pm ??
    joined(chosen.workspace)?.manager ??
    answered(
      ctx,
      await select({
        message: 'Which package manager?',
        options: packageManagers.map((value) =>
          findOnPath(value, process.env) === undefined
            ? { value, label: `${value} (not installed)`, disabled: true }
            : { value, label: value },
        ),
        initialValue: chosen.manager,
        signal,
      }),
    )
  const git =
    options.git ??
    (joined(chosen.workspace) === undefined ? undefined : false) ??
    // Inside a repository git.ts creates none and prints a note: there is nothing to ask.
    (repositoryAround(target.path) === undefined ? undefined : true) ??
    answered(ctx, await confirm({ message: 'Create a git repository with one commit?', signal }))
  return { ...chosen, example, manager: pm, install, git, asking: true }

  function complaint(value: string | undefined): string | undefined {
    try {
      look(value === undefined || value === '' ? usual : value)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}

function answered<T>(ctx: Context, answer: T | typeof CANCEL_SYMBOL): T {
  if (answer === CANCEL_SYMBOL) throw cause(ctx) ?? new SignalReceived('SIGINT')
  return answer
}
