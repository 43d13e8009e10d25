import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { execute } from '../../generator/command.ts'
import { childEnvironment } from '../../generator/package-manager.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { allHold, command, loadAverage, machine, verdictsTable } from '../support/command.ts'
import { median } from '../support/statistics.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { openRegistry, type Published } from './registry.ts'

const repository = join(import.meta.dirname, '../..')

/** A command of npm create, and its arguments for a tree without an install. */
interface Subject extends Published {
  readonly args: readonly string[]
}

/** How long the starts of one subject took, in ms. */
interface Times {
  readonly cold: number[]
  readonly warm: number[]
}

await command(usage, parseOptions, run)

/** Prints the figures beside create-vite's. @returns whether all goals hold */
async function run(ctx: Context, { rounds }: Options): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mainstem-bench-create-'))
  try {
    const ours = await pack(ctx, folder, 'create-mainstem', repository, ['--yes', '--no-install', '--no-git'])
    const vite = await pack(ctx, folder, 'create-vite', 'create-vite@latest', [
      '--template',
      'vanilla-ts',
      '--no-interactive',
    ])
    await using registry = await openRegistry([ours, vite])
    const times = new Map<Subject, Times>([
      [vite, { cold: [], warm: [] }],
      [ours, { cold: [], warm: [] }],
    ])
    for (let round = 0; round < rounds; round++) {
      for (const [subject, { cold, warm }] of times) {
        const place = join(folder, `${subject.name}-${round}`)
        cold.push(await start(ctx, subject, registry.url, place, 'cold'))
        warm.push(await start(ctx, subject, registry.url, place, 'warm'))
      }
    }
    console.log(
      `${machine()}, load average ${loadAverage()}, Node ${process.versions.node}; ${rounds} rounds`,
    )
    return await print(ctx, ours, vite, times)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Packs `source` as npm would publish it. The user's npm settings name the registry that has create-vite. */
async function pack(
  ctx: Context,
  folder: string,
  name: string,
  source: string,
  args: readonly string[],
): Promise<Subject> {
  const to = join(folder, 'packed', name)
  await mkdir(to, { recursive: true })
  const flags = ['pack', source, '--workspaces=false', '--pack-destination', to]
  await succeed(ctx, 'npm', flags, repository)
  const [file] = await readdir(to)
  if (file === undefined) throw new Error(`npm pack ${source} left no tarball`)
  const tarball = join(to, file)
  await succeed(ctx, 'tar', ['xzf', tarball, '-C', to], to)
  const manifest = JSON.parse(await readFile(join(to, 'package/package.json'), 'utf8')) as Published
  return { name, version: manifest.version, bin: manifest.bin, tarball, args }
}

/** Starts a command as `npm create` does, in a new folder, and returns how long it took, in ms. */
async function start(
  ctx: Context,
  { name, args }: Subject,
  registry: string,
  place: string,
  target: string,
): Promise<number> {
  await mkdir(place, { recursive: true })
  const began = performance.now()
  const flags = ['exec', '--yes', '--cache', join(place, 'cache'), '--registry', registry]
  await succeed(ctx, 'npm', [...flags, '--', `${name}@latest`, target, ...args], place)
  return performance.now() - began
}

async function succeed(ctx: Context, program: string, args: readonly string[], cwd: string): Promise<string> {
  const result = await execute(ctx, program, args, { cwd, env: childEnvironment(process.env) })
  if (result.code === 0) return result.stdout
  throw new Error(`${program} ${args.join(' ')} exited with ${String(result.code)}:\n${result.output}`)
}

async function print(
  ctx: Context,
  ours: Subject,
  vite: Subject,
  times: ReadonlyMap<Subject, Times>,
): Promise<boolean> {
  const of = (subject: Subject, kind: keyof Times): number => median(times.get(subject)?.[kind] ?? [])
  const ratio = (kind: keyof Times): number => of(ours, kind) / of(vite, kind)
  const tarball = (await stat(ours.tarball)).size
  const files = (await unpackedBytes(ours)) / (await unpackedBytes(vite))
  const main = join(ours.tarball, '../package/dist/main.js')
  const help = await medianOf(() =>
    elapsed(() => succeed(ctx, process.execPath, [main, '--help'], repository)),
  )
  const row = (kind: keyof Times, goal: number): [string, string, boolean] => [
    `${kind} start ÷ create-vite's (wanted ≤ ${goal})`,
    `${ratio(kind).toFixed(2)} (${of(ours, kind).toFixed(0)} and ${of(vite, kind).toFixed(0)} ms)`,
    ratio(kind) <= goal,
  ]
  const rows = [
    row('cold', 1.5),
    row('warm', 1.2),
    ["files on disk ÷ create-vite's (wanted ≤ 1.2)", files.toFixed(2), files <= 1.2],
    ['tarball, bytes (wanted ≤ 1,500,000)', tarball, tarball <= 1_500_000],
    ['--help, ms (wanted ≤ 200)', help.toFixed(0), help <= 200],
  ] as const
  console.log(`\n${verdictsTable(rows)}`)
  return allHold(rows)
}

/** The bytes of a subject's files after npm has unpacked them. */
async function unpackedBytes({ tarball }: Subject): Promise<number> {
  const folder = join(tarball, '../package')
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

async function medianOf(measure: () => Promise<number>): Promise<number> {
  const figures: number[] = []
  for (let round = 0; round < 5; round++) figures.push(await measure())
  return median(figures)
}
