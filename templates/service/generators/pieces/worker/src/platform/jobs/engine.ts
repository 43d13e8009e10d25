import { EventEmitter } from 'node:events'
import { sql } from 'drizzle-orm'
import { Logger, parseCronItems, run, type Job as Row, type Runner, type WorkerEvents } from 'graphile-worker'
import pg from 'pg'
import { withCancel, type CancelContext, type Context, type Lifetime } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { until } from '../../context/until.ts'
import type { Database } from '../database/database.ts'
import { runJob, type Run } from './run.ts'
import type { Job } from './jobs.ts'
import type { Log } from '../telemetry/log.ts'
import type { Platform } from '../platform.ts'
import { openPool } from '../database/client.ts'
import { openLease, type Lease } from './lease.ts'

/** How often it is looked for jobs whose time has come. New ones are told by NOTIFY. */
const pollMs = 2_000

/** What graphile-worker's levels are in our log. Its news are details to us. */
const levels = { error: 'error', warning: 'warn', info: 'debug', debug: 'debug' } as const

/** graphile-worker at work. */
export interface Engine {
  /** Resolves with why when it works no more. What it ran has been cancelled. */
  readonly broken: Promise<Error>
  /** Takes no more jobs, waits for those that run, and gives back those that were cancelled. */
  close(ctx: Context): Promise<void>
}

export interface EngineOptions {
  readonly jobs: readonly Job[]
  /** Jobs at the same time. */
  readonly concurrency: number
  /** Holds what runs, while it does. */
  readonly underWay: Set<Run>
}

/** Opens it under ctx; what it runs hangs from `serving`. @throws Error if the database cannot be reached */
export async function openEngine(
  ctx: Context,
  serving: Lifetime,
  { log, db, database }: Platform,
  options: EngineOptions,
): Promise<Engine> {
  const connection = { url: database.url, applicationName: `${database.applicationName} jobs` }
  // One listens; the others take jobs and mark them done. A client that the engine holds may lose its connection, too.
  const pool = openPool({ ...connection, max: options.concurrency + 1 }).on('connect', (client) =>
    client.on('error', () => undefined),
  )
  // The contexts of jobs descend from it: who cannot prove to be alive works no more.
  const working: CancelContext & Lifetime = withCancel(serving)
  const cancelled: Row[] = []
  const events: WorkerEvents = new EventEmitter()
  let lease: Lease | undefined
  let started: Runner | undefined
  try {
    const held = await openLease(ctx, working, connection)
    lease = held
    const looked = firstLook(events)
    const runner = await until(ctx, start(working, log, { ...options, pool, events, lease: held, cancelled }))
    started = runner
    await until(ctx, Promise.race([looked, runner.promise]))
    events.on('worker:getJob:error', ({ error }) => {
      // Its connections lead to a standby, as after a failover, and it would go on asking there.
      if (error instanceof pg.DatabaseError && error.code === '25006')
        working.cancel(new Error('the database cannot be written', { cause: error }))
    })
    const finished = runner.promise.then(
      () => working.cancel(new Error('graphile-worker has stopped')),
      (cause: unknown) => working.cancel(new Error('graphile-worker has failed', { cause })),
    )
    return {
      broken: ended(working),
      async close(ctx) {
        // It rejects where it has stopped by itself.
        await until(
          ctx,
          runner.stop().catch(() => undefined),
        )
        await until(ctx, finished)
        await giveBack(ctx, db, cancelled)
        await held.close(ctx)
        await until(ctx, pool.end())
      },
    }
  } catch (error) {
    working.cancel()
    // Not waited for: a connection that hangs would hold up the next attempt.
    started?.stop().catch(() => undefined)
    lease?.close(serving).catch(() => undefined)
    // Nor these.
    pool.end().catch(() => undefined)
    throw error
  }
}

/**
 * Resolves when it has been looked for jobs, by which their names are known to the database. An enqueue makes a new one known as
 * well, in its transaction, and would hold up every other enqueue and every worker until that ends.
 */
function firstLook(events: WorkerEvents): Promise<void> {
  return new Promise((resolve) => {
    for (const outcome of ['worker:getJob:empty', 'worker:getJob:error', 'job:start'] as const) {
      events.once(outcome, () => resolve())
    }
  })
}

function start(
  working: CancelContext & Lifetime,
  log: Log,
  parts: EngineOptions & { pool: pg.Pool; events: WorkerEvents; lease: Lease; cancelled: Row[] },
): Promise<Runner> {
  const { jobs, concurrency, underWay, pool, events, lease, cancelled } = parts

  async function perform(job: Job, row: Row): Promise<void> {
    const { id, attempts: attempt, max_attempts: maxAttempts, payload } = row
    const current: Run = { name: job.name, id, attempt, maxAttempts, startedAt: performance.now() }
    underWay.add(current)
    try {
      await runJob(working, log, job, current, payload)
    } catch (error) {
      if (working.err !== undefined) cancelled.push(row)
      throw error
    } finally {
      underWay.delete(current)
    }
  }

  const plugin: GraphileConfig.Plugin = {
    name: 'Lease',
    version: '0.0.0',
    worker: { hooks: { startWorker: (_, { worker }) => lease.hold(worker.workerPool.id) } },
  }
  events.on('cron:scheduled', ({ timestamp, jobsAndIdentifiers: ticks }) => {
    log.debug(working, 'due', { at: new Date(timestamp), jobs: ticks.map(({ identifier }) => identifier) })
  })
  return run({
    events,
    pgPool: pool,
    concurrency,
    pollInterval: pollMs,
    noHandleSignals: true,
    taskList: Object.fromEntries(jobs.map((job) => [job.name, (_, { job: row }) => perform(job, row)])),
    parsedCronItems: parseCronItems(
      jobs.flatMap(({ name, cron, maxAttempts }) =>
        // A queue of its own: the run of a tick waits for that of the one before.
        cron === undefined ? [] : [{ task: name, match: cron, options: { queueName: name, maxAttempts } }],
      ),
    ),
    logger: new Logger(() => (level, message, meta) => {
      // A run has its own line in the log.
      if (meta?.['failure'] === true) return
      log[levels[level]](working, `graphile-worker: ${message}`)
    }),
    preset: {
      plugins: [plugin],
      // Of what it sends later it hears of a failure, and stops. Of what it sends at once it does not: an unhandled rejection.
      worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
    },
  })
}

/** To be run again at once, as if it had not been: graphile-worker takes a job that was cancelled for one that failed. */
async function giveBack(ctx: Context, db: Database, rows: readonly Row[]): Promise<void> {
  for (const { id, attempts } of rows) {
    await db.run(ctx, (q) =>
      q.execute(
        sql`select from graphile_worker.reschedule_jobs(array[${id}]::bigint[], run_at => now(), attempts => ${attempts - 1}::int)`,
      ),
    )
  }
}
