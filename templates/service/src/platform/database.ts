import pg, { type PoolClient } from 'pg'
import { Canceled, cause, type Context } from '../context/context.ts'
import { retry } from '../context/retry.ts'
import { until } from '../context/until.ts'
import { borrowed, type Connection } from './connection.ts'
import { CommitOutcomeUnknown, plain } from './database-errors.ts'
import { within, type Queries } from './database-queries.ts'
import { streamRows, type RowQuery, type StreamOptions } from './database-stream.ts'
import { transact, type Work } from './database-transaction.ts'
import type { Log } from './log.ts'
import { openCancels, type Cancels } from './postgres-cancel.ts'
import { unavailable } from './problem.ts'

/** PostgreSQL. A query handle exists only inside a call that takes a context, so a query without one cannot be written. */
export interface Database {
  /**
   * Runs `work` on one connection. When ctx ends, the running statement is cancelled in Postgres and this rejects with
   * the cause of ctx; waiting for a connection ends with ctx as well.
   * @throws QueryFailed if Postgres refuses a statement, a 503 Problem if it cannot be reached or cannot serve now
   */
  run<T>(ctx: Context, work: (q: Queries) => Promise<T>): Promise<T>
  /**
   * Runs `work` in a transaction, which is committed when it resolves and rolled back when it rejects or ctx ends.
   * COMMIT and ROLLBACK, once sent, are not cancelled. `q.savepoint` makes a part of it that can fail by itself.
   * @throws CommitOutcomeUnknown if the connection was lost while Postgres was committing
   */
  transaction<T>(ctx: Context, work: Work<T>): Promise<T>
  /**
   * The rows of one select, a batch in memory at a time: the next one is fetched when the loop asks for it.
   *
   *     for await (const row of db.stream(ctx, (q) => q.select().from(documents))) …
   *     return { status: 200, headers, body: Readable.from(lines(db.stream(ctx, …))) }
   *
   * It holds a connection, and a snapshot of the database, until the loop is left or ctx ends: then the statement is
   * cancelled, the connection goes back, and the loop rejects with the cause of ctx.
   * @throws as `run` does
   */
  stream<T>(
    ctx: Context,
    select: (q: Queries) => RowQuery<T>,
    options?: StreamOptions,
  ): AsyncGenerator<T, void>
  /**
   * Whether the database can be reached. Does not wait behind work: where it holds all connections of the pool, that
   * they are `busy` is the answer.
   * @throws a 503 Problem if it cannot be reached, the cause of ctx when it ends first
   */
  ping(ctx: Context): Promise<'answers' | 'busy'>
  /** Connections of the pool: open, idle, and calls that wait for one. */
  stats(): { total: number; idle: number; waiting: number }
  /** Closes all connections; waits for those in use, as long as ctx lasts. */
  close(ctx: Context): Promise<void>
}

/** How long a connection attempt may take, and a call wait for one; a backstop for contexts with far deadlines. */
const connectTimeoutMs = 5_000

/**
 * Opens a pool and waits until the database answers, trying again until ctx ends.
 * @throws Error with the last failure as its cause when ctx ends first, at once if the credentials or the name are wrong
 */
export async function openDatabase(
  ctx: Context,
  log: Log,
  options: { url: string; poolMax: number; applicationName: string },
): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolMax,
    application_name: options.applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
  })
  // An idle connection that dies is removed by the pool; without a listener the event would end the process.
  pool.on('error', () => undefined)
  const database = overPool(pool)
  try {
    await waitForAnswer(ctx, log, database)
  } catch (error) {
    // Not waited for: a connection attempt that hangs would hold up the exit.
    pool.end().catch(() => undefined)
    // Told to stop, as opposed to out of time: then the database is not what is wrong.
    if (ctx.err === Canceled) throw cause(ctx)
    // What went wrong last, and that the time for it was over: its cause says how many ms, and which variable.
    const reasons = new Set([reasonOf(error), ...(ctx.err === undefined ? [] : [reasonOf(cause(ctx))])])
    const reason = [...reasons].join('; ')
    throw new Error(`the database at ${addressOf(options.url)} does not answer: ${reason}`, { cause: error })
  }
  return database
}

function overPool(pool: pg.Pool): Database {
  const cancels = openCancels()
  /** Connections that somebody works with: those the pool is still dialling are not among them. */
  let inUse = 0
  pool.on('acquire', () => inUse++).on('release', () => inUse--)
  const busy = (): boolean => inUse >= pool.options.max

  const run: Database['run'] = (ctx, work) =>
    withConnection(ctx, pool, cancels, (connection) => within(ctx, connection, work))

  return {
    run,

    async transaction(ctx, work) {
      return withConnection(ctx, pool, cancels, (connection) => transact(ctx, connection, work))
    },

    async *stream(ctx, select, options = {}) {
      yield* streamRows(ctx, borrowed(await acquire(ctx, pool), cancels), select, options)
    },

    async ping(ctx) {
      if (busy()) return 'busy'
      try {
        await run(ctx, (q) => q.execute('select 1'))
        return 'answers'
      } catch (error) {
        // Somebody was faster.
        if (busy()) return 'busy'
        throw error
      }
    },

    stats() {
      return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }
    },

    async close(ctx) {
      cancels.close()
      await until(ctx, pool.end())
    },
  }
}

async function withConnection<T>(
  ctx: Context,
  pool: pg.Pool,
  cancels: Cancels,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = borrowed(await acquire(ctx, pool), cancels)
  try {
    return await work(connection)
  } catch (error) {
    // That rows may be there is to be known even by who no longer waits for them.
    if (error instanceof CommitOutcomeUnknown) throw error
    throw cause(ctx) ?? plain(error)
  } finally {
    connection.release()
  }
}

/** A client of the pool. The pool knows no contexts: one that arrives after ctx has ended goes straight back. */
async function acquire(ctx: Context, pool: pg.Pool): Promise<PoolClient> {
  const ended = cause(ctx)
  if (ended !== undefined) throw ended
  const arriving = pool.connect()
  try {
    return await until(ctx, arriving)
  } catch (error) {
    // The pool will have it in the end, and nobody here is left to wait.
    arriving.then(
      (client) => client.release(),
      () => undefined,
    )
    throw cause(ctx) ?? unavailable('the database does not answer', error)
  }
}

/** @throws the last failure when ctx ends before the database has answered; the first one that does not mend itself */
async function waitForAnswer(ctx: Context, log: Log, database: Database): Promise<void> {
  let last: unknown
  const onRetry = (failure: unknown, pauseMs: number): void => {
    last = failure
    log.debug(ctx, 'the database does not answer yet', { reason: reasonOf(failure), retryInMs: pauseMs })
  }
  try {
    await retry(ctx, { retryable: (failure) => !isPermanent(failure), onRetry }, (ctx) =>
      database.run(ctx, (q) => q.execute('select 1')),
    )
  } catch (error) {
    throw ctx.err === undefined ? error : (last ?? error)
  }
}

/** Wrong credentials (class 28) and a database that does not exist (3D000) do not mend themselves. */
function isPermanent(error: unknown): boolean {
  const failure = error instanceof Error ? (error.cause ?? error) : error
  return failure instanceof pg.DatabaseError && /^(28|3D)/.test(failure.code ?? '')
}

/** The innermost message: outer ones say where, this one says why. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : reasonOf(error.cause)
}

/** Host, port and name of a connection string: what may stand in a log, which its password may not. */
function addressOf(url: string): string {
  const { host, pathname } = new URL(url)
  return host + pathname
}
