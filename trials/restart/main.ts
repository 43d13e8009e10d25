import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { migrateDatabase } from '../../sample-service/scripts/postgres/migrations.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import {
  allHold,
  command,
  count,
  loadAverage,
  machine,
  verdictsTable,
  type Verdict,
} from '../../bench/support/command.ts'
import { takeInventory, type Inventory } from '../../bench/support/documents.ts'
import { buildSample, freePort, startInstance, type Instance } from '../../bench/support/instance.ts'
import { followReadiness, type Backend } from './balancer.ts'
import { runClients, type Load } from './load.ts'

const usage = `npm run restart -- [options]

  --restarts n   one instance after the other (default 20)
  --clients n    each sends its next request when it has its answer (default 16)
  --quick        4 restarts, 8 clients: to see that it runs`

/** Milliseconds of each phase. The balancer polls every 100 ms, so it notices within the delay that an instance stops. */
const budgets = { delay: 500, drain: 5_000, cancel: 2_000, flush: 2_000 }
/** Time for the process to end and for this one to notice: both share the processors with the load. */
const slackMs = 1_000

/** One stop of one instance. */
interface Stop {
  readonly code: number | null
  readonly ms: number
  readonly phasesMs: Readonly<Record<string, number>>
  readonly requests: number
  readonly connections: number
}

await command(usage, parseOptions, run)

interface Options {
  readonly restarts: number
  readonly clients: number
}

/** @throws Error of one sentence for an invalid flag */
function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      restarts: { type: 'string' },
      clients: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    restarts: count('--restarts', values.restarts ?? (values.quick ? '4' : '20')),
    clients: count('--clients', values.clients ?? (values.quick ? '8' : '16')),
  }
}

/** Restarts two instances in turn under load, and prints what the clients saw. @returns whether it found no fault */
async function run(ctx: Context, { restarts, clients }: Options): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'mainstem-bench-restart-'))
  const postgres = await startPostgres({ dir: join(directory, 'postgres'), persistent: false })
  const uploads = await mkdtemp(join(directory, 'uploads-'))
  const running: Instance[] = []
  try {
    await buildSample(ctx)
    await migrateDatabase(postgres.url)
    const env = {
      DATABASE_URL: postgres.url,
      UPLOAD_DIR: uploads,
      SHUTDOWN_DELAY_MS: String(budgets.delay),
      SHUTDOWN_DRAIN_MS: String(budgets.drain),
      SHUTDOWN_CANCEL_MS: String(budgets.cancel),
      SHUTDOWN_FLUSH_MS: String(budgets.flush),
    }
    const ports = [await freePort(), await freePort()]
    const start = (port: number): Promise<Instance> => startInstance(ctx, { ...env, PORT: String(port) })
    for (const port of ports) running.push(await start(port))
    const backends = ports.map((port): Backend => ({ port, ready: true, agent: undefined }))

    using all = group(ctx)
    using loading = withCancel(ctx)
    all.go((ctx) => followReadiness(ctx, loading, backends))
    const load = runClients(ctx, loading, backends, clients)
    const stops: Stop[] = []
    const startMs: number[] = []
    for (let n = 0; n < restarts; n++) {
      const at = n % ports.length
      const [instance, backend] = [running[at], backends[at]]
      if (instance === undefined || backend === undefined) throw new Error('there are two of each')
      process.stderr.write(`restart ${n + 1} of ${restarts}\r`)
      stops.push(await stop(instance))
      const next = await start(backend.port)
      running[at] = next
      startMs.push(next.startMs)
      await backendReady(ctx, backend)
    }
    loading.cancel()
    const seen = await load
    await all.wait()
    for (const instance of running) await instance.end('SIGTERM')
    const inventory = await takeInventory(postgres.url, uploads, seen.acknowledged)
    return print(stops, startMs, seen, inventory)
  } finally {
    for (const instance of running) await instance[Symbol.asyncDispose]()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function stop(instance: Instance): Promise<Stop> {
  const startedAt = performance.now()
  const code = await instance.end('SIGTERM')
  const ms = performance.now() - startedAt
  const draining = instance.log.find(({ msg }) => msg === 'draining')
  const stopped = instance.log.find(({ msg }) => msg === 'stopped')
  return {
    code,
    ms,
    phasesMs: (stopped?.['tookMs'] ?? {}) as Record<string, number>,
    requests: Number(draining?.['requests']),
    connections: Number(draining?.['connections']),
  }
}

/** Resolves when the balancer has found the instance ready; only then may another one stop. */
async function backendReady(ctx: Context, backend: Backend): Promise<void> {
  while (!backend.ready) await sleep(ctx, 20)
}

function print(
  stops: readonly Stop[],
  startMs: readonly number[],
  seen: Load,
  inventory: Inventory,
): boolean {
  const total = budgets.delay + budgets.drain + budgets.cancel + budgets.flush
  const late = stops.filter(({ ms }) => ms > total + slackMs).length
  const unclean = stops.filter(({ code }) => code !== 0).length
  const failed = Array.from(seen.failed, ([what, times]) => `${times} × ${what}`).join(', ')
  const failures = Array.from(seen.failed.values()).reduce((sum, times) => sum + times, 0)
  const latencies = seen.latencies.toSorted((a, b) => a - b)
  const at = (share: number): string => (latencies[Math.ceil(latencies.length * share) - 1] ?? NaN).toFixed(0)
  const phase = (name: string): string => spread(stops.map(({ phasesMs }) => phasesMs[name] ?? 0))
  const rows: Verdict[] = [
    ['rolling restarts, of two instances in turn', String(stops.length)],
    ['requests sent (reads / writes)', `${seen.reads} / ${seen.writes}`, seen.reads > 0 && seen.writes > 0],
    ['of these, failed', failed === '' ? '0' : failed, failures === 0],
    ['writes acknowledged', String(seen.acknowledged.size), seen.acknowledged.size > 0],
    ['of these, lost (row or bytes)', String(inventory.lost.length), inventory.lost.length === 0],
    ['rows without their file', String(inventory.rowsWithoutFile), inventory.rowsWithoutFile === 0],
    ['files without a row, at the end', String(inventory.leftovers), inventory.leftovers === 0],
    ['longest pause without an answer, ms', seen.longestPauseMs.toFixed(0)],
    ['answer, ms: median / p99 / greatest', `${at(0.5)} / ${at(0.99)} / ${at(1)}`],
    ['exits with another code than 0', String(unclean), unclean === 0],
    [
      `stops longer than their budgets of ${total} ms (+ ${slackMs} for the process)`,
      String(late),
      late === 0,
    ],
    ['a stop from SIGTERM to its exit, ms', spread(stops.map(({ ms }) => ms))],
    ['of it: delay / drain / cancel, ms', ['delay', 'drain', 'cancel'].map(phase).join(' / ')],
    [
      'of it: admin listener / database / telemetry, ms',
      ['admin listener', 'database', 'telemetry'].map(phase).join(' / '),
    ],
    ['requests under way when the listener closed', spread(stops.map(({ requests }) => requests))],
    ['open connections at that time', spread(stops.map(({ connections }) => connections))],
    ['a start until it listens, ms', spread(startMs)],
  ]
  console.log(`${machine()}, Node ${process.version}, load average ${loadAverage()}\n`)
  console.log(verdictsTable(rows))
  return allHold(rows)
}

/** The median (least–greatest). */
function spread(numbers: readonly number[]): string {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (index: number): string => (sorted[index] ?? NaN).toFixed(0)
  return `${at(Math.floor(sorted.length / 2))} (${at(0)}–${at(sorted.length - 1)})`
}
