import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import nodePlop, { type NodePlopAPI } from 'node-plop'
import { describeChanges } from './difference.ts'
import { openPlan, type Change } from './plan.ts'
import { writeChanges } from './write.ts'

/*
 * npm run add -- <piece> <name> [--plural <word> and the piece's own flags] [--dry-run] [--diff] [--json] [--yes]
 *
 * Every question of the plopfile is a flag of the same name.
 * Plans in memory, shows the plan, writes all of it or nothing. Twice is once. Exit code 0 also when there was nothing to do; 1 with
 * one sentence on stderr when something is in the way, and then no byte has changed; 130 after Ctrl-C.
 */

const root = join(import.meta.dirname, '..')
const stop = new AbortController()

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
  const plop = await nodePlop(join(import.meta.dirname, 'plopfile.ts'), { destBasePath: root, force: false })
  const { values, said, positionals } = parse(args, plop)
  // Without the `--` npm keeps the flag for itself, and tells it by this variable alone.
  const dryRun = values['dry-run'] === true || process.env['npm_config_dry_run'] === 'true'
  if (values.help) return void process.stdout.write(usage(plop))

  const asks = process.stdin.isTTY && process.stdout.isTTY && !values.yes && !values.json
  const [piece, name, ...more] = positionals
  if (more[0] !== undefined) throw new Error(`"${more[0]}" is one name too many: add one thing at a time.`)
  if (piece === undefined && !asks) throw new Error(`Say what to add.\n\n${usage(plop)}`)
  const chosen = generatorNamed(plop, piece ?? (await askPiece(plop)))
  const unknown = Object.keys(said).find((flag) => !questionsOf(chosen).includes(flag))
  if (unknown !== undefined)
    throw new Error(`${chosen.name} takes no --${unknown}: npm run add -- --help lists what there is.`)
  if (name === undefined && !asks) {
    throw new Error(`Say the name of what to add: npm run add -- ${chosen.name} invoice`)
  }
  const answers = name === undefined ? await ask(chosen, said) : { ...said, name }

  const changes = await plan(chosen, { ...answers })
  const title = `${chosen.name} ${answers.name}`
  const did = changes.length === 0 ? 'nothing' : dryRun ? 'dry-run' : 'written'
  if (!values.json) process.stdout.write(told(title, changes, did, values.diff === true))
  if (did === 'written') {
    process.stderr.write(warning(root))
    if (name === undefined && !(await agreed())) return void process.stdout.write('Nothing was added.\n')
    writeChanges(root, changes)
  }
  if (values.json) process.stdout.write(`${JSON.stringify(asJson(chosen.name, changes, did))}\n`)
  else if (did === 'written') process.stdout.write(next(changes))
}

/** What was typed: `said` are the answers to questions of the pieces, `values` the flags of this command. */
function parse(args: string[], plop: NodePlopAPI) {
  const questions = plop.getGeneratorList().flatMap(({ name }) => questionsOf(generatorNamed(plop, name)))
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...Object.fromEntries(questions.filter((name) => name !== 'name').map((name) => [name, text])),
        ...{ 'dry-run': flag, diff: flag, json: flag, yes: flag, help: flag },
      },
    })
    const said = Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value]] : [],
    )
    return { values, said: Object.fromEntries(said) as Record<string, string>, positionals }
  } catch (cause) {
    const [sentence] = String(cause instanceof Error ? cause.message : cause).split(/\. |\n/)
    throw new Error(`${sentence ?? ''}: npm run add -- --help lists what there is.`, { cause })
  }
}

type Chosen = ReturnType<typeof generatorNamed>

function generatorNamed(plop: NodePlopAPI, name: string) {
  const names = plop.getGeneratorList().map((one) => one.name)
  if (!names.includes(name))
    throw new Error(`There is no piece "${name}": choose one of ${names.join(', ')}.`)
  return { name, generator: plop.getGenerator(name) }
}

/** The names of what the piece asks for; all but `name` are flags. */
function questionsOf({ generator }: Chosen): string[] {
  const prompts = Array.isArray(generator.prompts) ? generator.prompts : []
  return prompts.flatMap(({ name }: { name?: unknown }) => (typeof name === 'string' ? [name] : []))
}

/** Asks for what was not said. */
async function ask(chosen: Chosen, said: Record<string, string>): Promise<{ name: string }> {
  // plop takes an answer for a question, and `_` for none.
  const answers = questionsOf(chosen).map((question) => said[question] ?? '_')
  return (await unlessStopped(chosen.generator.runPrompts(answers))) as { name: string }
}

/** Runs the piece's actions, which plan and write nothing. Throws the first obstacle. */
async function plan({ generator }: Chosen, answers: object): Promise<Change[]> {
  const run = { ...answers, plan: openPlan(root), signal: stop.signal }
  const { failures } = await generator.runActions(run)
  const [obstacle] = failures
  if (obstacle) throw new Error(obstacle.error)
  return run.plan.changes()
}

async function askPiece(plop: NodePlopAPI): Promise<string> {
  const choices = plop
    .getGeneratorList()
    .map(({ name, description }) => ({ name: `${name}: ${description}`, value: name }))
  const question = plop.setGenerator('piece', {
    prompts: [{ type: 'list', name: 'piece', message: 'What to add?', choices }],
  })
  const { piece } = (await unlessStopped(question.runPrompts())) as { piece: string }
  return piece
}

/**
 * Inquirer answers Ctrl-C with a signal to its own process and never settles: its question ends here instead. The timer keeps the
 * process alive for the signal, which nothing else does once inquirer has let go of the terminal.
 */
async function unlessStopped<T>(answers: Promise<T>): Promise<T> {
  const alive = setInterval(() => undefined, 60_000)
  const stopped = once(stop.signal, 'abort').then((): never => {
    throw new Error('stopped')
  })
  try {
    return await Promise.race([answers, stopped])
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

function told(title: string, changes: readonly Change[], did: Did, whole: boolean): string {
  if (did === 'nothing') return `${title}: nothing to do, it is all there.\n`
  return `${title}${did === 'dry-run' ? ' (dry run: nothing is written)' : ''}\n${describeChanges(changes, whole)}`
}

/** What a team may want to know before it has another's changes among its own; empty where git has nothing to tell. */
function warning(directory: string): string {
  const { status, stdout } = spawnSync('git', ['status', '--porcelain', '--', '.'], {
    cwd: directory,
    encoding: 'utf8',
    timeout: 5_000,
  })
  const count = status === 0 ? stdout.split('\n').filter((line) => line !== '').length : 0
  if (count === 0) return ''
  return `The git tree has ${count} ${count === 1 ? 'change' : 'changes'} that nobody has committed: what is added will stand among them.\n`
}

function asJson(piece: string, changes: readonly Change[], did: Did): object {
  const files = changes.map(({ path, before }) => ({ path, change: before === undefined ? 'add' : 'edit' }))
  return { piece, written: did === 'written', dryRun: did === 'dry-run', files }
}

function next(changes: readonly Change[]): string {
  const migration = changes.some(({ path }) => path.startsWith('drizzle/'))
  const install = changes.some(({ path }) => path === 'package.json')
  return `Added. Next: ${install ? 'npm install (or what you install with), ' : ''}${migration ? 'npm run db:migrate (npm run dev does it too), ' : ''}npm test\n`
}

function usage(plop: NodePlopAPI): string {
  const pieces = plop.getGeneratorList().map(({ name, description }) => {
    const flags = questionsOf(generatorNamed(plop, name)).filter((flag) => flag !== 'name')
    const told = flags.map((flag) => ` [--${flag} …]`).join('')
    return `  ${name.padEnd(10)}${description}${told}\n`
  })
  return `npm run add -- <piece> <name> [--dry-run] [--diff] [--json] [--yes]\n\n${pieces.join('')}`
}
