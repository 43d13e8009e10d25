import { DrizzleQueryError } from 'drizzle-orm/errors'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import { Canceled, cause, withCancel, withoutCancel, withTimeout, type Context } from '../context/context.ts'
import { retry } from '../context/retry.ts'
import { until } from '../context/until.ts'
import { borrowed, type Connection } from './connection.ts'
import type { Log } from './log.ts'
import { unavailable } from './problem.ts'

/** Drizzle on the one connection of a call. `transaction` is missing on purpose: drizzle's leaks clients, ours does not. */
export type Queries = Omit<NodePgDatabase, 'transaction' | '$client'>

/** PostgreSQL. A query handle exists only inside a call that takes a context, so a query without one cannot be written. */
export interface Database {
  /**
   * Runs `work` on one connection. When ctx ends, the running statement is cancelled in Postgres and this rejects with
   * the cause of ctx; waiting for a connection ends with ctx as well.
   * @throws QueryFailed if Postgres refuses a statement, a 503 Problem if it cannot be reached
   */
  run<T>(ctx: Context, work: (q: Queries) => Promise<T>): Promise<T>
  /**
   * Runs `work` in a transaction, which is committed when it resolves and rolled back when it rejects or ctx ends.
   * COMMIT and ROLLBACK, once sent, are not cancelled.
   * @throws CommitOutcomeUnknown if the connection was lost while Postgres was committing
   */
  // eslint-disable-next-line context/context-first -- most work needs q alone: ctx is the transaction's own, for what it calls
  transaction<T>(ctx: Context, work: (q: Queries, ctx: Context) => Promise<T>): Promise<T>
  /** Connections of the pool: open, idle, and calls that wait for one. */
  stats(): { total: number; idle: number; waiting: number }
  /** Closes all connections; waits for those in use, as long as ctx lasts. */
  close(ctx: Context): Promise<void>
}

/** Postgres refused a statement. Says what and why, but holds no values: its text is parameterised. */
export class QueryFailed extends Error {
  override readonly name = 'QueryFailed'
  /** https://www.postgresql.org/docs/current/errcodes-appendix.html */
  readonly sqlState: string | undefined
  readonly constraint: string | undefined
  readonly statement: string | undefined

  constructor(failure: pg.DatabaseError, statement: string | undefined) {
    super(failure.message)
    this.sqlState = failure.code
    this.constraint = failure.constraint
    this.statement = statement
  }
}

/** The connection was lost during COMMIT: whether the transaction is in the database, only the database knows. */
export class CommitOutcomeUnknown extends Error {
  override readonly name = 'CommitOutcomeUnknown'
}

/** Slack of Postgres's own timeout over the context's deadline: the context should be what ends a statement. */
const statementTimeoutSlackMs = 1_000
/** How long a connection attempt may take, and a call wait for one; a backstop for contexts with far deadlines. */
const connectTimeoutMs = 10_000

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
    throw new Error(`the database at ${addressOf(options.url)} does not answer: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  return database
}

function overPool(pool: pg.Pool): Database {
  return {
    async run(ctx, work) {
      return withConnection(ctx, pool, (connection) => within(ctx, connection, work))
    },

    async transaction(ctx, work) {
      return withConnection(ctx, pool, async (connection) => {
        let result
        try {
          await connection.execute(ctx, { text: beginFor(ctx) })
          using inside = withCancel(ctx)
          result = await within(inside, connection, (q) => work(q, inside))
          const ended = cause(ctx)
          if (ended !== undefined) throw ended
        } catch (error) {
          await rollback(ctx, connection)
          throw error
        }
        await commit(ctx, connection)
        return result
      })
    },

    stats() {
      return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }
    },

    async close(ctx) {
      await until(ctx, pool.end())
    },
  }
}

async function withConnection<T>(
  ctx: Context,
  pool: pg.Pool,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = borrowed(await acquire(ctx, pool))
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

/** Gives `work` a query handle that is dead when `work` has returned, and waits for what it left running. */
async function within<T>(ctx: Context, connection: Connection, work: (q: Queries) => Promise<T>): Promise<T> {
  let open = true
  // What drizzle takes for a node-postgres client: it calls nothing of one but `query`.
  const statements = {
    query(statement: QueryConfig, values: unknown[]): Promise<QueryResult> {
      if (open) return connection.execute(ctx, statement, values)
      return Promise.reject(
        new Error('a query handle was used after its db.run or db.transaction had returned'),
      )
    },
  }
  try {
    return await work(drizzle(statements as unknown as PoolClient))
  } finally {
    open = false
    await connection.idle()
  }
}

/** BEGIN, and what is left of the deadline as Postgres's own timeout: in one message, so it costs no round trip. */
function beginFor(ctx: Context): string {
  if (ctx.deadline === undefined) return 'BEGIN'
  const leftMs = Math.max(0, Math.ceil(ctx.deadline - Date.now())) + statementTimeoutSlackMs
  return `BEGIN; SET LOCAL statement_timeout = ${Math.min(leftMs, 2 ** 31 - 1)}`
}

async function commit(ctx: Context, connection: Connection): Promise<void> {
  let result
  try {
    // Once sent it is not cancelled: whoever asked would not know the outcome.
    result = await connection.execute(withoutCancel(ctx), { text: 'COMMIT' })
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.severity !== 'FATAL') throw error
    throw new CommitOutcomeUnknown('the connection was lost during COMMIT', { cause: error })
  }
  // Postgres answers COMMIT of a failed transaction with ROLLBACK, as if nothing were wrong.
  if (result.command === 'ROLLBACK')
    throw new Error('the transaction was rolled back: one of its statements had failed')
}

/** Leaves a connection that cannot roll back for `release` to close, which rolls back as well. */
async function rollback(ctx: Context, connection: Connection): Promise<void> {
  if (!connection.inTransaction()) return
  // The end of ctx may be why it is rolled back.
  using unwinding = withTimeout(withoutCancel(ctx), 5_000)
  await connection.execute(unwinding, { text: 'ROLLBACK' }).catch(() => undefined)
}

/** Drizzle wraps what pg throws, with the values of the statement in the message. */
function plain(error: unknown): unknown {
  const inner = error instanceof DrizzleQueryError ? (error.cause ?? error) : error
  if (!(inner instanceof pg.DatabaseError)) return inner
  return new QueryFailed(inner, error instanceof DrizzleQueryError ? error.query : undefined)
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
