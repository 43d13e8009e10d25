import { constants } from 'node:os'
import { background, type Context } from '../templates/service/src/context/context.ts'
import { ignoreBrokenPipe } from '../templates/service/scripts/broken-pipe.ts'
import { SignalReceived, withSignals } from '../templates/service/src/context/signals.ts'
import { create } from './create.ts'
import { doorFrom } from './door.ts'
import { eatenFlags } from './eaten.ts'
import { Failure } from './failure.ts'
import { help, optionsFrom } from './options.ts'
import { requireInstalled } from './package-manager.ts'
import { say, type Screen } from './progress.ts'
import { ask, defaults } from './prompts.ts'
import { report } from './report.ts'
import { ownPackage } from './root.ts'
import { pathWarning, targetFrom } from './target.ts'

const ending = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Creates a service from `args`, or updates one.
 * @returns the exit code: 1 if the install or a step of `--verify` failed, else 0
 */
async function run(ctx: Context, args: readonly string[]): Promise<number> {
  if (args[0] === 'update') return (await import('./update/update.ts')).update(ctx, args.slice(1))
  const options = optionsFrom(args)
  if (options.help) return print(help)
  if (options.version) return print(`${ownPackage().version}\n`)

  const door = doorFrom(process.env)
  const eaten = eatenFlags(process.env, options)
  if (eaten.length > 0) {
    const line = door.line([options.directory ?? 'my-service', ...given(args, options.directory), ...eaten])
    throw new Failure(`npm took ${eaten.join(' ')} for itself, so nothing was written: run ${line}`)
  }

  const asking = !options.yes && !options.json && isTerminal() && !process.env['CI']
  if (options.directory === undefined && !asking) {
    throw new Failure('the directory is missing: name the new service, like create-mainstem my-service')
  }
  if (options.pm !== undefined) requireInstalled(options.pm, process.env)
  const target = options.directory === undefined ? undefined : targetFrom(options.directory, process.cwd())
  const choices =
    asking || target === undefined
      ? await ask(ctx, options, target, door.manager)
      : defaults(options, target, door.manager)
  if (choices.install && !options.dryRun) requireInstalled(choices.manager, process.env)

  const screen: Screen = options.json
    ? { stream: process.stderr, animated: false }
    : { stream: process.stdout, animated: process.stdout.isTTY && !process.env['CI'] }
  const warning = pathWarning(choices.target)
  if (warning !== undefined) say(screen, warning)
  const { created, failure } = await create(ctx, screen, options, choices, door)
  const sentence =
    failure?.message ??
    (created.verify?.ok === false
      ? `the new service failed its verification; it is in ${created.directory}`
      : undefined)
  if (failure !== undefined && failure.output !== '') process.stderr.write(`${failure.output}\n`)
  if (!options.json) report(screen, created, choices)
  else
    print(
      `${JSON.stringify({ ...created, ...(sentence === undefined ? {} : { error: sentence }) }, null, 2)}\n`,
    )
  if (sentence === undefined) return 0
  complain(sentence)
  return 1
}

async function main(root: Context, args: readonly string[]): Promise<number> {
  // withSignals restores the default action after the first signal. With these listeners a second signal does not interrupt the
  // undo.
  for (const signal of ending) process.on(signal, () => undefined)
  using ctx = withSignals(root, ...ending)
  try {
    return await run(ctx, args)
  } catch (error) {
    const message =
      error instanceof SignalReceived
        ? `stopped by ${error.signal}, nothing was left behind`
        : messageOf(error)
    if (error instanceof Failure && error.output !== '') process.stderr.write(`${error.output}\n`)
    if (args.includes('--json')) print(`${JSON.stringify({ error: message })}\n`)
    complain(message)
    return error instanceof SignalReceived ? 128 + constants.signals[error.signal] : 1
  }
}

function messageOf(error: unknown): string {
  if (error instanceof Failure) return error.message
  // A bug of this command: print the stack for the bug report.
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** The arguments without the directory. */
function given(args: readonly string[], directory: string | undefined): string[] {
  return args.filter((arg) => arg !== directory)
}

function isTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function complain(sentence: string): void {
  process.stderr.write(`create-mainstem: ${sentence}\n`)
}

ignoreBrokenPipe()
process.exitCode = await main(background(), process.argv.slice(2))
