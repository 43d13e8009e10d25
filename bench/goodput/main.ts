import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { hashAsUsual } from '../support/postgres.ts'
import { capacity, task } from './catalogue.ts'
import { chartOf } from './chart.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { runAll } from './run.ts'
import { tableOf } from './table.ts'

const svgFile = new URL('../../docs/goodput.svg', import.meta.url)

await command(usage, parseOptions, run)

/** Prints one table for each load. It names a subject that this machine cannot run, and continues. */
async function run(ctx: Context, options: Options): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'goodput-'))
  const postgres = await startPostgres({ dir, persistent: false })
  try {
    await hashAsUsual(postgres.url)
    console.log(`${machine()}, Node ${process.version}`)
    console.log(
      `pg_sleep(${task.querySeconds}) on a pool of ${task.poolMax}: ${capacity} answers/s is all there is. ${options.seconds} s each.`,
    )
    const loadBefore = loadAverage()
    const results = await runAll(ctx, postgres.url, options)
    console.log(`load average ${loadBefore} before, ${loadAverage()} after`)
    for (const load of options.loads) {
      const { name, patient, impatient, patienceMs, pauseMs } = load
      console.log(
        `\n### ${name}: ${patient} clients wait, ${impatient} leave after ${patienceMs} ms and come back after ${pauseMs} ms${load.documents ? ', each on a new connection; GET /documents of the sample, slowed by a view, with its log' : ''}\n`,
      )
      console.log(tableOf(results.filter((result) => result.load === load)))
    }
    if (options.svg) {
      await writeFile(svgFile, chartOf(results, options.seconds))
      console.log(`\nwritten: ${fileURLToPath(svgFile)}`)
    }
  } finally {
    await postgres.stop()
  }
}
