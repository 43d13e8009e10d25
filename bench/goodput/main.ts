import { writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { makeDatabase, temporaryServer } from '../../templates/service/scripts/databases.ts'
import { background, type Context } from '../../templates/service/src/context/context.ts'
import { withSignals } from '../../templates/service/src/context/signals.ts'
import { capacity, task } from './catalogue.ts'
import { chartOf } from './chart.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { runAll } from './run.ts'
import { tableOf } from './table.ts'

const svgFile = new URL('../../docs/goodput.svg', import.meta.url)

const options = parseOptions(process.argv.slice(2))
if (options === 'help') {
  console.log(usage)
} else {
  // A Ctrl-C ends the load, the server under test and Postgres.
  using ctx = withSignals(background(), 'SIGINT', 'SIGTERM')
  await run(ctx, options)
}

/** Prints one table for each load. A subject that this machine cannot run is told, and the rest goes on. */
async function run(ctx: Context, options: Options): Promise<void> {
  const postgres = await temporaryServer()
  try {
    const database = await makeDatabase(postgres.url)
    const [cpu] = cpus()
    console.log(`${cpus().length} × ${cpu?.model ?? 'unknown processor'}, Node ${process.version}`)
    console.log(
      `pg_sleep(${task.querySeconds}) on a pool of ${task.poolMax}: ${capacity} answers/s is all there is. ${options.seconds} s each.`,
    )
    const loadBefore = loadavg()[0] ?? 0
    const results = await runAll(ctx, database.url, options)
    console.log(`load average ${loadBefore.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`)
    for (const load of options.loads) {
      const { name, patient, impatient, patienceMs, pauseMs } = load
      console.log(
        `\n### ${name}: ${patient} clients wait, ${impatient} leave after ${patienceMs} ms and come back after ${pauseMs} ms\n`,
      )
      console.log(tableOf(results.filter((result) => result.load === load)))
    }
    if (options.svg) {
      await writeFile(svgFile, chartOf(results, options.seconds))
      console.log(`\nwritten: ${fileURLToPath(svgFile)}`)
    }
    await database.drop()
  } finally {
    await postgres.stop()
  }
}
