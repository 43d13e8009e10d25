import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import nodePlop, { type NodePlopAPI } from 'node-plop'
import { describeChanges } from './difference.ts'
import { openPlan, type Change } from './plan.ts'
import { writeChanges } from './write.ts'

/*
 * npm run add -- <piece> <name> [--plural <word>] [--cron <expression>] [--dry-run] [--json] [--yes]
 *
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
  const { values, positionals } = parse(args)
  // Without the `--` npm keeps the flag for itself, and tells it by this variable alone.
  const dryRun = values['dry-run'] === true || process.env['npm_config_dry_run'] === 'true'
  const plop = await nodePlop(join(import.meta.dirname, 'plopfile.ts'), { destBasePath: root, force: false })
  if (values.help) return void process.stdout.write(usage(plop))

  const asks = process.stdin.isTTY && process.stdout.isTTY && !values.yes && !values.json
  const [piece, name, ...more] = positionals
  if (more[0] !== undefined) throw new Error(`"${more[0]}" is one name too many: add one thing at a time.`)
  if (piece === undefined && !asks) throw new Error(`Say what to add.\n\n${usage(plop)}`)
  const chosen = generatorNamed(plop, piece ?? (await askPiece(plop)))
  if (name === undefined && !asks) {
    throw new Error(`Say the name of what to add: npm run add -- ${chosen.name} invoice`)
  }
  const given = {
    name: name ?? '',
    ...(values.plural === undefined ? {} : { plural: values.plural }),
    ...(values.cron === undefined ? {} : { cron: values.cron }),
  }
  const answers =
    name === undefined ? ((await unlessStopped(chosen.generator.runPrompts())) as { name: string }) : given

  const changes = await plan(chosen, { ...answers })
  const title = `${chosen.name} ${answers.name}`
  const did = changes.length === 0 ? 'nothing' : dryRun ? 'dry-run' : 'written'
  if (!values.json) process.stdout.write(told(title, changes, did))
  if (did === 'written') {
    if (name === undefined && !(await agreed())) return void process.stdout.write('Nothing was added.\n')
    writeChanges(root, changes)
  }
  if (values.json) process.stdout.write(`${JSON.stringify(asJson(chosen.name, changes, did))}\n`)
  else if (did === 'written') process.stdout.write(next(changes))
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        plural: { type: 'string' },
        cron: { type: 'string' },
        'dry-run': { type: 'boolean' },
        json: { type: 'boolean' },
        yes: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
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

function told(title: string, changes: readonly Change[], did: Did): string {
  if (did === 'nothing') return `${title}: nothing to do, it is all there.\n`
  return `${title}${did === 'dry-run' ? ' (dry run: nothing is written)' : ''}\n${describeChanges(changes)}`
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
  const pieces = plop
    .getGeneratorList()
    .map(({ name, description }) => `  ${name.padEnd(10)}${description}\n`)
  return `npm run add -- <piece> <name> [--plural <word>] [--cron <expression>] [--dry-run] [--json] [--yes]\n\n${pieces.join('')}`
}
