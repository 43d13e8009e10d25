import type { Context } from '../../templates/service/src/context/context.ts'
import { build, install, runtime } from '../support/cache.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { peers } from './catalogue.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { runCases } from './run.ts'
import { tableOf } from './table.ts'

await command(usage, parseOptions, run)

/** Prints one table for each Node. It names a peer or a Node that could not be installed, and continues. */
async function run(ctx: Context, options: Options): Promise<void> {
  const had: { name: string; folder: string }[] = []
  const missing = new Map<string, string>()
  for (const [name, version] of Object.entries(peers)) {
    const installed = await install(ctx, name, version)
    if ('folder' in installed) had.push({ name, folder: installed.folder })
    else missing.set(name, `${name}@${version} could not be installed: ${installed.missing}`)
  }
  await using built = await build(had, ['bench/context', 'templates/service/src/context'])
  console.log(machine())
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
    const loadBefore = loadAverage()
    const start = performance.now()
    const results = await runCases(
      ctx,
      node.program,
      built.compiled('bench/context/worker.ts'),
      missing,
      options,
    )
    const seconds = Math.round((performance.now() - start) / 1000)
    const load = `${loadBefore} before, ${loadAverage()} after`
    console.log(
      `\n### Node ${node.version.slice(1)}, ${seconds} s, load average ${load}\n\n${tableOf(results)}`,
    )
  }
}
