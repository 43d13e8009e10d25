import { cpus, loadavg } from 'node:os'
import { background, type Context } from '../../templates/service/src/context/context.ts'
import { withSignals } from '../../templates/service/src/context/signals.ts'
import { build, install, runtime } from '../support/cache.ts'
import { peers } from './catalogue.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { runCases } from './run.ts'
import { tableOf } from './table.ts'

const options = parseOptions(process.argv.slice(2))
if (options === 'help') {
  console.log(usage)
} else {
  // A Ctrl-C ends the process that measures, and removes what was compiled.
  using ctx = withSignals(background(), 'SIGINT', 'SIGTERM')
  await run(ctx, options)
}

/** Prints one table for each Node. A peer or a Node that could not be had is told, and the rest goes on. */
async function run(ctx: Context, options: Options): Promise<void> {
  const had: { name: string; folder: string }[] = []
  const missing = new Map<string, string>()
  for (const [name, version] of Object.entries(peers)) {
    const installed = await install(ctx, name, version)
    if ('folder' in installed) had.push({ name, folder: installed.folder })
    else missing.set(name, `${name}@${version} could not be installed: ${installed.missing}`)
  }
  await using built = await build(had, ['bench/context', 'templates/service/src/context'])
  const [cpu] = cpus()
  console.log(
    `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${new Date().toISOString().slice(0, 10)}`,
  )
  console.log(
    `Up to ${options.rounds} rounds of ${options.ms} ms of processor time, each entry in a process of its own. Times are processor time.`,
  )
  for (const major of options.nodes) {
    const node = await runtime(ctx, major)
    if ('missing' in node) {
      console.log(`\nNode ${major}: not measured: ${node.missing}`)
      continue
    }
    process.stderr.write(`Node ${node.version}\n`)
    const loadBefore = loadavg()[0] ?? 0
    const start = performance.now()
    const results = await runCases(
      ctx,
      node.program,
      built.compiled('bench/context/worker.ts'),
      missing,
      options,
    )
    const seconds = Math.round((performance.now() - start) / 1000)
    const load = `${loadBefore.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`
    console.log(
      `\n### Node ${node.version.slice(1)}, ${seconds} s, load average ${load}\n\n${tableOf(results)}`,
    )
  }
}
