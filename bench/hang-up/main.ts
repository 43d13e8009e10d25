import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { pinned } from '../http/pin.ts'
import { startServer, type ServerProcess } from '../http/process.ts'
import { subjects } from '../shipped/catalogue.ts'
import { buildOurs, makeItems, serverOf } from '../shipped/servers.ts'
import { command, count, loadAverage, machine } from '../support/command.ts'
import { median } from '../support/statistics.ts'

interface Options {
  readonly rounds: number
}

const usage = `npm run bench:hang-up -- [options]

  --rounds n        measurements of each, in turn (default 7)`

/** Requests of one measurement. With a few hundred, V8 would still run most of the measured code uncompiled. */
const requests = 2_000
/** How long a client waits before it leaves. Its statement runs by then. */
const leaveAfterMs = 20
const wanted = 1.5

await command(usage, parseOptions, run)

function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: 'string', default: '7' }, help: { type: 'boolean', default: false } },
  })
  return values.help ? 'help' : { rounds: count('--rounds', values.rounds) }
}

/**
 * Prints the cost of a hang-up, of an answered request with one SELECT, and of one whose statement runs as long as the client
 * waited. The last pays for the same idle moments as a hang-up. Each request has a connection of its own.
 */
async function run(ctx: Context, { rounds }: Options): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'hang-up-'))
  const postgres = await startPostgres({ dir, persistent: false })
  try {
    await makeItems(postgres.url)
    await using built = await buildOurs()
    await using sink = await startServer(ctx, process.execPath, [built.compiled('bench/tracing/sink.ts')], {
      core: 1,
    })
    const surroundings = {
      ours: built,
      stock: undefined,
      databaseUrl: postgres.url,
      sink: `http://127.0.0.1:${sink.port}`,
    }
    const load = built.compiled('bench/hang-up/load.ts')
    console.log(`${machine()}, Node ${process.version}, load average ${loadAverage()}`)
    console.log(
      `| CPU µs | answered | answered after ${leaveAfterMs} ms | hang-up | ÷ answered | wanted | ÷ answered after ${leaveAfterMs} ms |`,
    )
    console.log('| --- | --- | --- | --- | --- | --- | --- |')
    for (const name of ['all', 'both-off']) {
      const subject = subjects.find((each) => each.name === name)
      if (subject === undefined) throw new Error(`bench:shipped has no subject ${name}`)
      const served = serverOf(subject, surroundings)
      if ('missing' in served) throw new Error(served.missing)
      await using server = await startServer(ctx, process.execPath, served.args, served)
      const answered: number[] = []
      const waited: number[] = []
      const left: number[] = []
      for (let round = -2; round < rounds; round++) {
        const answers = await costOf(ctx, server, load, '/items', 0)
        const waits = await costOf(ctx, server, load, '/waited', 0)
        const hangUps = await costOf(ctx, server, load, '/slow', leaveAfterMs)
        if (round < 0) continue
        answered.push(answers)
        waited.push(waits)
        left.push(hangUps)
      }
      const ratio = quotient(left, answered)
      const costs = [answered, waited, left].map((each) => median(each).toFixed(0)).join(' | ')
      console.log(
        `| ${subject.title} | ${costs} | ${ratio.toFixed(2)} | ≤ ${wanted}: ${ratio <= wanted ? 'met' : 'missed'} | ${quotient(left, waited).toFixed(2)} |`,
      )
    }
  } finally {
    await postgres.stop()
  }
}

/** The median of the quotients, round by round. */
function quotient(costs: readonly number[], others: readonly number[]): number {
  return median(costs.map((cost, round) => cost / (others[round] ?? NaN)))
}

/** Microseconds of the server's processor time for each request. */
async function costOf(
  ctx: Context,
  server: ServerProcess,
  load: string,
  path: string,
  afterMs: number,
): Promise<number> {
  const before = server.cpuMs() ?? NaN
  const args = [load, server.port, path, requests, afterMs].map(String)
  await promisify(execFile)(...pinned(1, process.execPath, args), { signal: ctx.signal })
  // Waits for what the last requests left under way.
  await sleep(ctx, 200)
  return (((server.cpuMs() ?? NaN) - before) * 1_000) / requests
}
