import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import type { PlopGeneratorConfig } from 'node-plop'
import { ignoreBrokenPipe } from '../../scripts/broken-pipe.ts'
import type { Piece } from './piece.ts'
import { pieces } from './pieces.ts'
import { openPlan, type Change } from './plan.ts'
import { flagsFor, promptsFor } from './prompts.ts'
import { writeChanges } from './write.ts'

/*
 * npm run add -- <piece> <name> [--plural <word> and the piece's own flags] [--dry-run] [--diff] [--json] [--yes]
 *
 * It adds what `npx plop` adds, by the same function, and each of plop's questions is a flag of the same name.
 * It plans in memory, shows the plan, and writes all of it or nothing. A second run finds nothing to do. Exit code 0, also when
 * there was nothing to do; 1 with one sentence on stderr when something is in the way, and then no file has changed; 130 after
 * Ctrl-C. ts-morph, prettier and plop are loaded when they are needed: together they take more than a second.
 */

const root = join(import.meta.dirname, '../..')
const stop = new AbortController()

ignoreBrokenPipe()
try {
  // Every time, not once: a second Ctrl-C must not end the process before it has cleaned up.
  process.on('SIGINT', () => stop.abort()).on('SIGTERM', () => stop.abort())
  await add(process.argv.slice(2))
} catch (error) {
  if (stop.signal.aborted || (error instanceof Error && error.name === 'AbortError')) {
    process.stderr.write('Stopped: nothing was added.\n')
    process.exitCode = 130
  } else {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}

async function add(args: string[]): Promise<void> {
  const { values, said, positionals } = parse(args)
  // Without `--` npm keeps the flag for itself and only sets this variable.
  const dryRun = values['dry-run'] === true || process.env['npm_config_dry_run'] === 'true'
  if (values.help) return void process.stdout.write(usage())

  const asks = process.stdin.isTTY && process.stdout.isTTY && !values.yes && !values.json
  const [typed, name, ...more] = positionals
  if (more[0] !== undefined)
    throw new Error(`unexpected argument "${more[0]}": npm run add adds one piece at a time.`)
  if (typed === undefined && !asks) throw new Error(`Name the piece to add.\n\n${usage()}`)
  const piece = pieceNamed(typed ?? (await askPiece()))
  const unknown = Object.keys(said).find((flag) => !flagsFor(piece).includes(flag))
  if (unknown !== undefined)
    throw new Error(`${piece.name} has no flag --${unknown}: npm run add -- --help lists the flags.`)
  if (name === undefined && !asks) {
    throw new Error(`The name is missing: npm run add -- ${piece.name} invoice`)
  }
  const answers = name === undefined ? await askAnswers(piece, said) : { ...said, name }

  const plan = openPlan(root)
  const { planPiece } = await import('./plan-piece.ts')
  await planPiece(plan, piece, answers)
  const changes = plan.changes()
  const did = changes.length === 0 ? 'nothing' : dryRun ? 'dry-run' : 'written'
  if (!values.json) {
    process.stdout.write(
      await described(`${piece.name} ${answers['name'] ?? ''}`, changes, did, values.diff === true),
    )
  }
  if (did === 'written') {
    process.stderr.write(warning(root))
    if (name === undefined && !(await agreed())) return void process.stdout.write('Nothing was added.\n')
    writeChanges(root, changes)
  }
  if (values.json) process.stdout.write(`${JSON.stringify(asJson(piece.name, changes, did))}\n`)
  else if (did === 'written') {
    const { nextSteps } = await import('./difference.ts')
    process.stdout.write(`Added. ${nextSteps(changes)}`)
  }
}

/** Parses the arguments: `said` has the answers to the questions of pieces, `values` the flags of this command. */
function parse(args: string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...Object.fromEntries(pieces.flatMap(flagsFor).map((name) => [name, text])),
        ...{ 'dry-run': flag, diff: flag, json: flag, yes: flag, help: flag },
      },
    })
    const said = Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value]] : [],
    )
    return { values, said: Object.fromEntries(said) as Record<string, string>, positionals }
  } catch (cause) {
    const [sentence] = String(cause instanceof Error ? cause.message : cause).split(/\. |\n/)
    throw new Error(`${sentence ?? ''}: npm run add -- --help lists the flags.`, { cause })
  }
}

function pieceNamed(name: string): Piece {
  const piece = pieces.find((one) => one.name === name)
  if (piece) return piece
  throw new Error(`There is no piece "${name}": choose one of ${pieces.map((one) => one.name).join(', ')}.`)
}

/** Asks for the answers that were not given as flags. */
async function askAnswers(piece: Piece, said: Record<string, string>): Promise<Record<string, string>> {
  const prompts = promptsFor(piece)
  // plop asks the questions whose answer is `_`.
  return ask(
    prompts,
    prompts.map(({ name = '' }) => said[name] ?? '_'),
  )
}

async function askPiece(): Promise<string> {
  const choices = pieces.map(({ name, summary }) => ({ name: `${name}: ${summary}`, value: name }))
  const { piece = '' } = await ask([{ type: 'list', name: 'piece', message: 'What to add?', choices }])
  return piece
}

/**
 * Asks by plop. Inquirer answers Ctrl-C with a signal to its own process and never settles, so the question ends here instead.
 * The timer keeps the process alive for the signal, which nothing else does once inquirer has released the terminal.
 */
async function ask(
  prompts: PlopGeneratorConfig['prompts'],
  bypass: string[] = [],
): Promise<Record<string, string>> {
  const { default: nodePlop } = await import('node-plop')
  const generator = (await nodePlop()).setGenerator('ask', { prompts })
  const alive = setInterval(() => undefined, 60_000)
  const stopped = once(stop.signal, 'abort').then((): never => {
    throw new Error('stopped')
  })
  try {
    return (await Promise.race([generator.runPrompts(bypass), stopped])) as Record<string, string>
  } finally {
    clearInterval(alive)
  }
}

async function agreed(): Promise<boolean> {
  using lines = closing(createInterface({ input: process.stdin, output: process.stdout }))
  const answer = await lines.question('Write this? [Y/n] ', { signal: stop.signal })
  return /^(?:y|yes|)$/i.test(answer.trim())
}

function closing<T extends { close(): void }>(resource: T): T & Disposable {
  return Object.assign(resource, { [Symbol.dispose]: () => resource.close() })
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

/** A warning if git has uncommitted changes, which the new ones would mix with; else empty. */
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

function usage(): string {
  const lines = pieces.map((piece) => {
    const flags = flagsFor(piece).map((flag) => ` [--${flag} …]`)
    return `  ${piece.name.padEnd(10)}${piece.summary}${flags.join('')}\n`
  })
  return `npm run add -- <piece> <name> [--dry-run] [--diff] [--json] [--yes]\n\n${lines.join('')}`
}
