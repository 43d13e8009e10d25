import { EventEmitter } from 'node:events'
import { Logger, parseCronItems, run, type Job as Row, type Runner, type WorkerEvents } from 'graphile-worker'
import pg from 'pg'
import {
  contextName,
  withCancel,
  withValue,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { until } from '../../context/until.ts'
import { executeJob, type Run } from './run.ts'
import type { Job } from './jobs.ts'
import type { Log } from '../telemetry/log.ts'
import type { Platform } from '../platform.ts'
import { openPool } from '../database/client.ts'
import { giveBack } from './give-back.ts'
import { openLease, type Lease } from './lease.ts'

/** How often the engine looks for jobs that are due. NOTIFY reports new jobs at once. */
const pollMs = 2_000

/** graphile-worker's levels in our log. Its `info` is `debug` here. */
const levels = { error: 'error', warning: 'warn', info: 'debug', debug: 'debug' } as const

/** A running graphile-worker. */
export interface Engine {
  /** Resolves with the reason when the engine breaks. Its jobs have been cancelled by then. */
  readonly broken: Promise<Error>
  /** Takes no more jobs, waits for the running ones, and gives the cancelled ones back. */
  close(ctx: Context): Promise<void>
}

export interface EngineOptions {
  readonly jobs: readonly Job[]
  /** How many jobs run at the same time. */
  readonly concurrency: number
  /** The jobs that are running. */
  readonly underWay: Set<Run>
  /** The jobs that were cancelled and are still to be given back: if the database is away, by the next engine. */
  readonly cancelled: Row[]
}

/** Opens an engine under ctx; the contexts of its jobs descend from `serving`. @throws Error if the database cannot be reached */
export async function openEngine(
  ctx: Context,
  serving: Lifetime,
  { log, db, database }: Platform,
  options: EngineOptions,
): Promise<Engine> {
  const connection = { url: database.url, applicationName: `${database.applicationName} jobs` }
  // One connection listens; the others take jobs and mark them done. A connection may also be lost while the engine uses it.
  const pool = openPool({ ...connection, max: options.concurrency + 1 }).on('connect', (client) =>
    client.on('error', () => undefined),
  )
  // The contexts of jobs descend from this one: a worker that can no longer prove that it is alive cancels them.
  const working: CancelContext & Lifetime = withCancel(withValue(serving, contextName, 'jobs'))
  const events: WorkerEvents = new EventEmitter()
  let lease: Lease | undefined
  let started: Runner | undefined
  try {
    const held = await openLease(ctx, working, connection)
    lease = held
    const looked = firstLook(events)
    const runner = await until(ctx, start(working, log, { ...options, pool, events, lease: held }))
    started = runner
    await until(ctx, Promise.race([looked, runner.promise]))
    await giveBack(ctx, { log, db }, options.cancelled)
    events.on('worker:getJob:error', ({ error }) => {
      // After a failover its connections may lead to a standby, where it would continue to poll.
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
        try {
          // It rejects if the runner has already stopped.
          await until(
            ctx,
            runner.stop().catch(() => undefined),
          )
          await until(ctx, finished)
          await giveBack(ctx, { log, db }, options.cancelled)
        } finally {
          try {
            await held.close(ctx)
          } finally {
            await until(ctx, pool.end())
          }
        }
      },
    }
  } catch (error) {
    working.cancel()
    // Does not wait: a connection that hangs would delay the next attempt.
    started?.stop().catch(() => undefined)
    lease?.close(serving).catch(() => undefined)
    // The same holds for the pool.
    pool.end().catch(() => undefined)
    throw error
  }
}

/**
 * Resolves when the runner has looked for jobs once, which registers the names of the jobs in the database. Otherwise the first
 * enqueue would register its name in its own transaction, and block every other enqueue and every worker until that ends.
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
  parts: EngineOptions & { pool: pg.Pool; events: WorkerEvents; lease: Lease },
): Promise<Runner> {
  const { jobs, concurrency, underWay, pool, events, lease, cancelled } = parts

  async function perform(job: Job, row: Row): Promise<void> {
    const { id, attempts: attempt, max_attempts: maxAttempts, payload } = row
    const current: Run = { name: job.name, id, attempt, maxAttempts, startedAt: performance.now() }
    underWay.add(current)
    try {
      await executeJob(working, log, job, current, payload)
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
        // In a queue of its own, a tick waits for the previous one. By its key it replaces a tick that
        // waits: they do not pile up.
        cron === undefined
          ? []
          : [{ task: name, match: cron, options: { queueName: name, jobKey: name, maxAttempts } }],
      ),
    ),
    logger: new Logger(() => (level, message, meta) => {
      // executeJob logs the run.
      if (meta?.['failure'] === true) return
      log[levels[level]](working, `graphile-worker: ${message}`)
    }),
    preset: {
      plugins: [plugin],
      // With a delay, graphile-worker stops when it cannot write a result; without, the failure is an unhandled rejection.
      worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
    },
  })
}
