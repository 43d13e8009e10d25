import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { build, install, runtime, type Build } from '../support/cache.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { peers, reference } from './catalogue.ts'
import { generator, type Generator } from './load.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { changed, changes } from './price.ts'
import { measurePair, type Served } from './run.ts'
import { tableOf, type Row } from './table.ts'

const sources = ['bench/http', 'templates/service/src']

await command(usage, parseOptions, run)

/** Prints one table for each Node. It names everything that could not be installed, and goes on. */
async function run(ctx: Context, options: Options): Promise<void> {
  await using built = await build(await installed(ctx), sources)
  const load = await generator(ctx, built.folder)
  if ('missing' in load) throw new Error(load.missing)
  console.log(machine())
  console.log(
    `${load.name}, 64 connections; ${options.rounds} rounds of ${options.seconds} s for each, in turn with what it is compared with; the server on one core, the load on another.`,
  )
  for (const major of options.nodes) {
    const node = await runtime(ctx, major)
    if ('missing' in node) {
      console.log(`\nNode ${major}: not measured: ${node.missing}`)
      continue
    }
    const loadBefore = loadAverage()
    const start = performance.now()
    const table = options.price
      ? await priceTable(ctx, node.program, built, load, options)
      : await subjectsTable(ctx, node.program, built, load, options)
    const seconds = Math.round((performance.now() - start) / 1000)
    const average = `${loadBefore} before, ${loadAverage()} after`
    console.log(`\n### Node ${node.version.slice(1)}, ${seconds} s, load average ${average}\n\n${table}`)
  }
}

async function installed(ctx: Context): Promise<{ name: string; folder: string }[]> {
  const had: { name: string; folder: string }[] = []
  for (const [name, version] of Object.entries(peers)) {
    const found = await install(ctx, name, version)
    if ('folder' in found) had.push({ name, folder: found.folder })
    else console.log(`${name}@${version} could not be installed: ${found.missing}`)
  }
  return had
}

/** Each subject, beside bare Hono. */
async function subjectsTable(
  ctx: Context,
  node: string,
  built: Build,
  load: Generator,
  options: Options,
): Promise<string> {
  const bare = served(node, built, reference.name)
  const rows: Row[] = []
  for (const subject of options.subjects) {
    process.stderr.write(`${subject.name}\n`)
    const ours =
      subject.serve === undefined
        ? await servedByGo(ctx, built)
        : served(node, built, subject.name, subject.body)
    const pair = 'missing' in ours ? ours : await measurePair(ctx, ours, bare, load, options)
    rows.push({ title: subject.title, wanted: subject.wanted, pair })
  }
  return tableOf(reference.title, rows)
}

/** The boundary without one of its parts, beside the whole boundary. */
async function priceTable(
  ctx: Context,
  node: string,
  built: Build,
  load: Generator,
  options: Options,
): Promise<string> {
  const whole = served(node, built, 'mainstem')
  const rows: Row[] = []
  for (const change of changes) {
    process.stderr.write(`${change.title}\n`)
    await using other = await build([], sources, changed(change))
    const pair = await measurePair(ctx, served(node, other, 'mainstem'), whole, load, options)
    rows.push({ title: change.title, pair })
  }
  return tableOf('the whole boundary', rows)
}

function served(node: string, built: Build, name: string, body?: string): Served {
  return { program: node, args: [built.compiled('bench/http/worker.ts'), name], body }
}

async function servedByGo(ctx: Context, { folder }: Build): Promise<Served | { missing: string }> {
  const program = join(folder, 'server')
  try {
    const source = fileURLToPath(new URL('subjects/server.go', import.meta.url))
    await promisify(execFile)('go', ['build', '-o', program, source], { signal: ctx.signal })
    return { program, args: [], body: undefined }
  } catch (error) {
    throwIfEnded(ctx)
    return { missing: `there is no Go to build it with: ${String(error).split('\n')[0] ?? ''}` }
  }
}
