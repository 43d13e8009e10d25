import pg, { type PoolClient } from 'pg'
import { Canceled, cause, throwIfEnded, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { Admission } from './admission.ts'
import { borrowed, type Connection } from './connection.ts'
import { addressOf, reasonOf, waitForAnswer } from './answer.ts'
import { CommitOutcomeUnknown, plain, QueryFailed } from './errors.ts'
import { within, type Queries } from './queries.ts'
import { streamRows, type RowQuery, type StreamOptions } from './stream.ts'
import { transact, type Work } from './transaction.ts'
import type { Log } from '../telemetry/log.ts'
import { observeAdmission } from '../telemetry/metrics.ts'
import { noteStart } from '../telemetry/started.ts'
import { limitLifetimes } from './pool-lifetime.ts'
import { openCancels } from './cancel.ts'
import { poolOptions, PostgresClient } from './client.ts'
import { unavailable } from '../problem.ts'

/** PostgreSQL. A query handle exists only inside a call that takes a context, so a query without one cannot be written. */
export interface Database {
  /**
   * Runs `work` on one connection. When ctx ends, the running statement is cancelled in Postgres and this rejects with
   * the cause of ctx; waiting for a connection ends with ctx as well.
   *
   * The next caller gets the connection as this one got it. One on which a statement set or made something of the session
   * (`set`, `listen`, temporary tables, a lock by pg_advisory_lock) is closed instead, which costs a new one; `set local`,
   * `set_config(…, true)` and pg_advisory_xact_lock in a transaction cost nothing. What a function of yours sets unseen stays.
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
   * Whether the database can be reached, and written: a standby is `read-only`. Does not wait behind work: where it holds all
   * connections of the pool, that they are `busy` is the answer.
   * @throws a 503 Problem if it cannot be reached, the cause of ctx when it ends first
   */
  ping(ctx: Context): Promise<'answers' | 'busy' | 'read-only'>
  /** Connections of the pool: open, idle, and calls that wait for one. */
  stats(): { total: number; idle: number; waiting: number }
  /** Closes all connections; waits for those in use, as long as ctx lasts. */
  close(ctx: Context): Promise<void>
}

/** How long a connection attempt may take, and a call wait for one; a backstop for contexts with far deadlines. */
const connectTimeoutMs = 5_000

/**
 * Opens a pool and waits until the database answers, trying again until ctx ends.
 * @throws Error with the last failure as its cause when ctx ends first, at once if it is one that no waiting mends
 */
export async function openDatabase(
  ctx: Context,
  log: Log,
  options: { url: string; poolMax: number; applicationName: string },
): Promise<Database> {
  const pool = limitLifetimes(
    new pg.Pool({
      ...poolOptions(options),
      max: options.poolMax,
      connectionTimeoutMillis: connectTimeoutMs,
    }),
  )
  // An idle connection that dies is removed by the pool; without a listener the event would end the process.
  pool.on('error', () => undefined)
  const database = overPool(pool, log)
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

function overPool(pool: pg.Pool, log: Log): Database {
  const cancels = openCancels(log, () => new PostgresClient(pool.options))
  const observer = observeAdmission()
  const admission = new Admission(pool.options.max, observer)
  // A stream may last for minutes: half of the pool stays for calls that do not.
  const streams = new Admission(Math.ceil(pool.options.max / 2), observer)

  const lend = async (ctx: Context, averaged = true): Promise<Connection> => {
    const place = await admission.enter(ctx, averaged)
    try {
      return borrowed(await acquire(ctx, pool), cancels, place)
    } catch (error) {
      place.release()
      throw error
    }
  }

  const run: Database['run'] = (ctx, work) =>
    withConnection(ctx, lend, work, (connection) => within(ctx, connection, work))

  return {
    run,

    async transaction(ctx, work) {
      return withConnection(ctx, lend, work, (connection) => transact(ctx, connection, work))
    },

    async *stream(ctx, select, options = {}) {
      const place = await streams.enter(ctx)
      try {
        yield* streamRows(ctx, await lend(ctx, false), select, options)
      } finally {
        place.release()
      }
    },

    async ping(ctx) {
      if (admission.full()) return 'busy'
      try {
        return await withConnection(ctx, lend, isReadOnly, async (connection) => {
          if (!(await isReadOnly(ctx, connection))) return 'answers'
          // The next one that is dialled may lead to another server.
          connection.retire()
          return 'read-only'
        })
      } catch (error) {
        // Somebody was faster.
        if (admission.full()) return 'busy'
        throw error
      }
    },

    stats() {
      return { total: pool.totalCount, idle: pool.idleCount, waiting: admission.waiting }
    },

    async close(ctx) {
      cancels.close()
      await until(ctx, pool.end())
    },
  }
}

/** Waits for a connection of the pool. */
type Lend = (ctx: Context) => Promise<Connection>

/** @param body the function that the caller wrote: a fault that nobody handles is found by it */
async function withConnection<T>(
  ctx: Context,
  lend: Lend,
  body: object,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  let connection: Connection | undefined
  try {
    connection = await lend(ctx)
    return await work(connection)
  } catch (error) {
    const failure = await failureOf(ctx, connection, error)
    noteStart(ctx, body, failure)
    throw failure
  } finally {
    connection?.release()
  }
}

async function failureOf(ctx: Context, connection: Connection | undefined, error: unknown): Promise<unknown> {
  // Even a caller that no longer waits must know that its rows may be there.
  if (error instanceof CommitOutcomeUnknown) return error
  return cause(ctx) ?? (connection === undefined ? error : refusedWrite(ctx, connection, plain(error)))
}

/** Of a write that was refused: a 503 where the server is what cannot be written, as after a failover, and not the transaction. */
async function refusedWrite(ctx: Context, connection: Connection, failure: unknown): Promise<unknown> {
  if (!(failure instanceof QueryFailed) || failure.sqlState !== '25006') return failure
  const readOnly = await isReadOnly(ctx, connection).catch(() => {
    throwIfEnded(ctx)
    return true
  })
  return readOnly ? unavailable('the database cannot be written now', failure) : failure
}

async function isReadOnly(ctx: Context, connection: Connection): Promise<boolean> {
  const { rows } = await connection.execute(ctx, { text: 'show transaction_read_only' })
  return (rows as { transaction_read_only: string }[])[0]?.transaction_read_only === 'on'
}

/** A client of the pool. The pool knows no contexts: one that arrives after ctx has ended goes straight back. */
async function acquire(ctx: Context, pool: pg.Pool): Promise<PoolClient> {
  throwIfEnded(ctx)
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
