import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { packageManager } from '../../scripts/dev/packages.ts'
import { inOwnCommands } from '../../scripts/own-commands.ts'
import { agrees, askAnswers, askPiece, askRequired } from './prompts.ts'
import { commandFrom, refuseBeside, refuseFlags, type Command } from './command.ts'
import { helpFor, listOfPieces, piecesAsJson, usage } from './help.ts'
import { install } from './install.ts'
import { lockService, refuseLocked } from './lock.ts'
import type { Piece } from './piece.ts'
import { pieces } from './pieces.ts'
import { Plan, type Change } from './plan.ts'
import { didYouMean } from './typed.ts'
import { finishWriting, refuseUnfinished, writeChanges } from './write.ts'

const root = join(import.meta.dirname, '../..')

/** What a run gets from its process. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  /** Ends the run. */
  readonly stop: AbortSignal
  /** Whether it may ask questions. */
  readonly terminal: boolean
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

/** Runs `npm run add` with these arguments, and returns the exit code. Throws only if a module is missing. */
export async function runAdd(args: string[], from: Surroundings): Promise<number> {
  try {
    await add(commandFrom(args, from.env), from)
    return 0
  } catch (error) {
    const fail = (sentence: string): void => {
      if (args.includes('--json')) from.out(`${JSON.stringify({ error: sentence })}\n`)
      from.err(`${sentence}\n`)
    }
    if (from.stop.aborted || (error instanceof Error && error.name === 'AbortError')) {
      fail('Stopped: nothing was added.')
      return 130
    }
    // scripts/tsx.js says what to do.
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') throw error
    fail(inOwnCommands(error instanceof Error ? error.message : String(error)))
    return 1
  }
}

async function add(command: Command, from: Surroundings): Promise<void> {
  const { stop } = from
  const { answers, flags } = command
  const say = (text: string): void => from.out(inOwnCommands(text))
  const [word, name, extra] = command.words
  if (flags.has('list')) {
    say(flags.has('json') ? `${JSON.stringify(piecesAsJson(), undefined, 2)}\n` : listOfPieces())
    return
  }
  if (flags.has('help')) {
    say(word === undefined ? usage() : helpFor(pieceNamed(word)))
    return
  }

  if (flags.has('merge-record')) {
    refuseBeside(command)
    using _lock = lockService(root)
    finishKilled(from)
    say((await import('./merge-record.ts')).mergeRecord(root))
    return
  }

  const terminal = from.terminal && !flags.has('json')
  const asks = terminal && !flags.has('yes')
  if (word === undefined && !asks)
    throw new Error(`Name the piece to ${flags.has('remove') ? 'remove' : 'add'}.\n\n${usage()}`)
  const piece = pieceNamed(word ?? (await askPiece(stop)))
  refuseFlags(piece, command, from.env)
  if (extra !== undefined) throw new Error(`Unexpected argument "${extra}": ${insteadOf(extra, piece)}`)
  using _lock = flags.has('dry-run') ? undefined : lockService(root)
  if (flags.has('dry-run')) {
    refuseLocked(root)
    refuseUnfinished(root)
  } else finishKilled(from)
  if (flags.has('drop') && !flags.has('remove'))
    throw new Error('--drop needs --remove: it drops the table of the removed piece.')
  if (flags.has('remove')) {
    const { removePiece } = await import('./remove.ts')
    say(await removePiece(root, packageManager(), piece, command))
    return
  }
  const named = name !== undefined || piece.takes === 'nothing'
  if (!named && !asks) {
    throw new Error(`The name is missing: npm run add -- ${piece.name} ${piece.examples?.[0] ?? 'invoice'}`)
  }
  const missing = named && asks ? await askRequired(stop, piece, answers) : {}
  const all = named ? { ...answers, ...missing, name } : await askAnswers(stop, piece, answers)

  const plan = new Plan(root)
  const { planPiece } = await import('./plan-piece.ts')
  const title = await planPiece(plan, piece, all)
  const changes = plan.changes()
  const did = changes.length === 0 ? 'nothing' : flags.has('dry-run') ? 'dry-run' : 'written'
  if (!flags.has('json')) say(await described(title, changes, did, flags.has('diff')))
  if (did === 'written') {
    from.err(warning(root))
    if (!named && !(await agrees(stop, 'Write this?'))) {
      say('Nothing was added.\n')
      return
    }
    writeChanges(root, changes)
  }
  if (flags.has('json')) say(`${JSON.stringify(asJson(piece.name, changes, did))}\n`)
  if (did === 'written') await finish(command, changes, terminal, from)
}

function finishKilled({ err }: Surroundings): void {
  if (finishWriting(root)) err('Finished the run that was killed before.\n')
}

/** Installs the added packages if the user wants that, and prints what to do next. */
async function finish(
  { flags }: Command,
  changes: readonly Change[],
  terminal: boolean,
  { stop, out }: Surroundings,
): Promise<void> {
  const { nextSteps, addsPackages } = await import('./difference.ts')
  const manager = packageManager()
  const wanted = addsPackages(changes) && (terminal || flags.has('install')) && (await wantsInstall())
  if (!flags.has('json')) out(inOwnCommands(`Added. ${nextSteps(changes, manager, wanted)}`))
  if (wanted) await install(manager, root)

  async function wantsInstall(): Promise<boolean> {
    if (flags.has('no-install')) return false
    if (flags.has('yes') || flags.has('install')) return true
    // Everything has been written, so Ctrl-C means only no.
    return agrees(stop, `package.json has changed. Run ${manager} install?`).catch(() => false)
  }
}

function pieceNamed(name: string): Piece {
  const piece = pieces.find((one) => one.name === name)
  if (piece) return piece
  const names = pieces.map((one) => one.name)
  throw new Error(`There is no piece "${name}"${didYouMean(name, names)}: choose one of ${names.join(', ')}.`)
}

/** What to write instead of an argument after the name. */
function insteadOf(extra: string, { name, flags = [] }: Piece): string {
  const takesFields = flags.some((flag) => flag.name === 'fields')
  if (takesFields && extra.includes(':'))
    return `npm run add -- ${name} <name> --fields "${extra}" gives it fields, with commas between several.`
  return 'npm run add adds one piece at a time.'
}

type Did = 'nothing' | 'dry-run' | 'written'

async function described(
  title: string,
  changes: readonly Change[],
  did: Did,
  whole: boolean,
): Promise<string> {
  if (did === 'nothing') return `${title}: nothing to do, everything is there already.\n`
  const { describeChanges } = await import('./difference.ts')
  return `${title}${did === 'dry-run' ? ' (dry run: nothing is written)' : ''}\n${describeChanges(changes, whole)}`
}

/** A warning if git has uncommitted changes, with which the new ones would mix; else empty. */
function warning(directory: string): string {
  const { status, stdout } = spawnSync('git', ['status', '--porcelain', '--', '.'], {
    cwd: directory,
    encoding: 'utf8',
    timeout: 5_000,
  })
  const count = status === 0 ? stdout.split('\n').filter((line) => line !== '').length : 0
  if (count === 0) return ''
  return `The git tree has ${count} uncommitted ${count === 1 ? 'change' : 'changes'}: the new ones will mix with them.\n`
}

function asJson(piece: string, changes: readonly Change[], did: Did): object {
  const files = changes.map(({ path, before }) => ({ path, change: before === undefined ? 'add' : 'edit' }))
  return { piece, written: did === 'written', dryRun: did === 'dry-run', files }
}
