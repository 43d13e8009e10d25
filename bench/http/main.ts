import { execFile } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { throwIfEnded } from '../../generator/ended.ts'
import { background, type Context } from '../../templates/service/src/context/context.ts'
import { withSignals } from '../../templates/service/src/context/signals.ts'
import { build, install, runtime } from '../support/cache.ts'
import { peers, reference, type Subject } from './catalogue.ts'
import { generator } from './load.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { measurePair, type Served } from './run.ts'
import { tableOf, type Row } from './table.ts'

const options = parseOptions(process.argv.slice(2))
if (options === 'help') {
  console.log(usage)
} else {
  // A Ctrl-C ends the servers, and removes what was compiled.
  using ctx = withSignals(background(), 'SIGINT', 'SIGTERM')
  await run(ctx, options)
}

/** Prints one table for each Node. What could not be had is told, and the rest goes on. */
async function run(ctx: Context, options: Options): Promise<void> {
  const had: { name: string; folder: string }[] = []
  for (const [name, version] of Object.entries(peers)) {
    const installed = await install(ctx, name, version)
    if ('folder' in installed) had.push({ name, folder: installed.folder })
    else console.log(`${name}@${version} could not be installed: ${installed.missing}`)
  }
  await using built = await build(had, ['bench/http', 'templates/service/src'])
  const load = await generator(ctx, built.folder)
  if ('missing' in load) throw new Error(load.missing)
  const [cpu] = cpus()
  console.log(
    `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${new Date().toISOString().slice(0, 10)}`,
  )
  console.log(
    `${load.name}, 64 connections; ${options.rounds} rounds of ${options.seconds} s for each, in turn with bare Hono; the server on one core, the load on another.`,
  )
  for (const major of options.nodes) {
    const node = await runtime(ctx, major)
    if ('missing' in node) {
      console.log(`\nNode ${major}: not measured: ${node.missing}`)
      continue
    }
    const loadBefore = loadavg()[0] ?? 0
    const start = performance.now()
    const worker = built.compiled('bench/http/worker.ts')
    const bare = { program: node.program, args: [worker, reference.name], body: undefined }
    const rows: Row[] = []
    for (const subject of options.subjects) {
      process.stderr.write(`Node ${node.version}: ${subject.name}\n`)
      const served = await servedBy(ctx, subject, node.program, worker, built.folder)
      const pair = 'missing' in served ? served : await measurePair(ctx, served, bare, load, options)
      rows.push({ title: subject.title, wanted: subject.wanted, pair })
    }
    const seconds = Math.round((performance.now() - start) / 1000)
    const average = `${loadBefore.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`
    console.log(
      `\n### Node ${node.version.slice(1)}, ${seconds} s, load average ${average}\n\n${tableOf(rows)}`,
    )
  }
}

async function servedBy(
  ctx: Context,
  { name, body, serve }: Subject,
  node: string,
  worker: string,
  folder: string,
): Promise<Served | { missing: string }> {
  if (serve !== undefined) return { program: node, args: [worker, name], body }
  const program = join(folder, 'server')
  try {
    const source = fileURLToPath(new URL('subjects/server.go', import.meta.url))
    await promisify(execFile)('go', ['build', '-o', program, source], { signal: ctx.signal })
    return { program, args: [], body }
  } catch (error) {
    throwIfEnded(ctx)
    return { missing: `there is no Go to build it with: ${String(error).split('\n')[0] ?? ''}` }
  }
}
