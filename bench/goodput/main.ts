import { mkdtemp, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startPostgres } from '../../templates/service/scripts/postgres.ts'
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
  const dir = await mkdtemp(join(tmpdir(), 'goodput-'))
  const postgres = await startPostgres({ dir, persistent: false })
  try {
    await hashAsUsual(postgres.url)
    const [cpu] = cpus()
    console.log(`${cpus().length} × ${cpu?.model ?? 'unknown processor'}, Node ${process.version}`)
    console.log(
      `pg_sleep(${task.querySeconds}) on a pool of ${task.poolMax}: ${capacity} answers/s is all there is. ${options.seconds} s each.`,
    )
    const loadBefore = loadavg()[0] ?? 0
    const results = await runAll(ctx, postgres.url, options)
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
  } finally {
    await postgres.stop()
  }
}

/**
 * The PostgreSQL of scripts/postgres.ts hashes its password once, which makes connecting cheap and which lib/pq refuses.
 * Measured is with the 4096 times that Postgres has by default.
 */
async function hashAsUsual(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const password = client.escapeLiteral(new URL(url).password)
    await client.query(`set scram_iterations = 4096; alter role current_user password ${password}`)
  } finally {
    await client.end()
  }
}
