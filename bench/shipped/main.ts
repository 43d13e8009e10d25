import { execFileSync } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { generator } from '../http/load.ts'
import { canPin } from '../http/pin.ts'
import { startServer } from '../http/process.ts'
import { measurePair } from '../http/run.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { reference } from './catalogue.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { buildOurs, buildStock, makeItems, serverOf } from './servers.ts'
import { tableOf, type Row } from './table.ts'

await command(usage, parseOptions, run)

/** Prints one table for each load: the emitted service and the stock ones beside bare Hono. */
async function run(ctx: Context, options: Options): Promise<void> {
  moveToCore(1)
  const dir = await mkdtemp(join(tmpdir(), 'shipped-'))
  const postgres = await startPostgres({ dir, persistent: false })
  try {
    await makeItems(postgres.url)
    await using built = await buildOurs()
    await using stock = await buildStock(ctx)
    const load = await generator(ctx, built.folder)
    if ('missing' in load) throw new Error(load.missing)
    await using sink = await startServer(ctx, process.execPath, [built.compiled('bench/tracing/sink.ts')], {
      core: 1,
    })
    const servers = { ours: built, stock, databaseUrl: postgres.url, sink: `http://127.0.0.1:${sink.port}` }
    console.log(`${machine()}, Node ${process.version}, ${load.name}, 64 connections`)
    console.log(
      `${options.rounds} rounds of ${options.seconds} s for each, in turn with bare Hono; the server on one core, load, Postgres, collector and the log's reader on the other.`,
    )
    for (const { path, body, title } of options.loads) {
      const rows: Row[] = []
      const before = loadAverage()
      for (const subject of options.subjects) {
        if (subject.stock === true && path !== '/hello' && path !== '/items') continue
        process.stderr.write(`${path} ${subject.name}\n`)
        const ours = serverOf(subject, servers)
        const bare = serverOf(reference, servers)
        const pair =
          'missing' in ours
            ? ours
            : 'missing' in bare
              ? bare
              : await measurePair(ctx, { ...ours, path, body }, { ...bare, path, body }, load, options)
        rows.push({ subject, pair })
      }
      console.log(
        `\n### ${title}, load average ${before} before, ${loadAverage()} after\n\n${tableOf(path, rows)}`,
      )
    }
  } finally {
    await postgres.stop()
  }
}

/** Moves this process, and those that it starts later, to one core, so that a measured server has the other to itself. */
function moveToCore(core: number): void {
  if (canPin) execFileSync('taskset', ['-apc', `${core}`, `${process.pid}`], { stdio: 'ignore' })
}
