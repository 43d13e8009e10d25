import type pg from 'pg'
import { cause, withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { type Admission, type Place, openGates, type Gates } from './admission.ts'
import { Connection } from './connection.ts'
import { pingBeside, waitForAnswer } from './answer.ts'
import { failureOf, isReadOnly, pingMs } from './errors.ts'
import { observeStatements, type Observe } from './observed.ts'
import { within, type Queries } from './queries.ts'
import { streamRows, type RowQuery, type StreamOptions } from './stream.ts'
import { connectionOf, joinedKey, savepointOf, transact, type TransactionBody } from './transaction.ts'
import type { Log } from '../telemetry/log.ts'
import { noteStart } from '../telemetry/started.ts'
import { openCancels, type Cancels } from './cancel.ts'
import { openPool, PostgresClient } from './client.ts'
import { unavailable } from '../problem.ts'

/** How long the pool may take to connect, or to lend a connection: a backstop for contexts with late deadlines. */
const connectTimeoutMs = 5_000
const noPlaces: readonly Place[] = []

/** Opens a pool and waits until the database answers, trying again until ctx ends. @throws as `waitForAnswer` does */
export async function openDatabase(
  ctx: Context,
  log: Log,
  options: { url: string; poolMax: number; applicationName: string },
): Promise<Database> {
  const { poolMax, ...address } = options
  const pool = openPool({ ...address, max: poolMax, connectionTimeoutMillis: connectTimeoutMs })
  const database = new Database(pool, log)
  try {
    await waitForAnswer(ctx, log, options.url, database)
  } catch (error) {
    // Not awaited: a connection attempt that hangs would delay the exit.
    pool.end().catch(() => undefined)
    throw error
  }
  return database
}

/** PostgreSQL. A query handle exists only inside a call that takes a context, so a query without one cannot be written. */
export class Database {
  readonly #pool: pg.Pool
  readonly #cancels: Cancels
  readonly #gates: Gates
  readonly #observe: Observe
  /** Connections that calls work with. A place in the pool may also be held by a call that still connects. */
  #inUse = 0

  constructor(pool: pg.Pool, log: Log) {
    this.#pool = pool
    this.#gates = openGates(pool.options.max)
    this.#observe = observeStatements(pool.options)
    this.#cancels = openCancels(log, () => new PostgresClient(pool.options))
    pool.on('acquire', () => this.#inUse++).on('release', () => this.#inUse--)
  }

  /**
   * Calls `work` with one connection. When ctx ends, the running statement is cancelled in Postgres and this rejects with
   * the cause of ctx; waiting for a connection ends with ctx as well.
   *
   * What a statement sets or makes in the session (`set`, `listen`, temporary tables, a lock by pg_advisory_lock) closes the
   * connection afterwards, so that the next caller does not meet it, and a new one must be opened. `set local`,
   * `set_config(…, true)` and pg_advisory_xact_lock in a transaction cost nothing. What a function of yours sets is not seen.
   * @throws QueryFailed if Postgres refuses a statement, a 503 Problem if it cannot be reached or cannot serve now
   */
  async run<T>(ctx: Context, work: (q: Queries) => Promise<T>): Promise<T> {
    // Without await the caller would not be in the stack of a failure.
    return await this.#withConnection(ctx, work, (connection) => within(ctx, connection, work))
  }

  /**
   * Calls `body` in a transaction, which is committed when `body` resolves and rolled back when it rejects or ctx ends.
   * COMMIT and ROLLBACK, once sent, are not cancelled. `q.savepoint` makes a part of it that can fail by itself. Transactions
   * have at most four fifths of the pool, so `run` still answers while they wait for something else.
   * With `joins`, database calls under the context that `body` gets join the transaction: there `transaction` makes a savepoint.
   * @throws CommitOutcomeUnknown if the connection was lost while Postgres was committing, a 503 Problem if the transaction
   * lost against another one (deadlock, serialization failure, lock not available), and as `run` does
   */
  async transaction<T>(ctx: Context, body: TransactionBody<T>, { joins = false } = {}): Promise<T> {
    const around = ctx.value(joinedKey)
    if (around !== undefined)
      return await this.#withConnection(ctx, body, () => savepointOf(around, true)(ctx, body))
    const work = (connection: Connection): Promise<T> => transact(ctx, connection, body, joins)
    return await this.#withConnection(ctx, body, work, this.#gates.transactions)
  }

  /**
   * The rows of one select, a batch in memory at a time: the next is fetched when the loop asks for it.
   *
   *     for await (const row of db.stream(ctx, (q) => q.select().from(documents))) …
   *     return { status: 200, headers, body: Readable.from(lines(db.stream(ctx, …))) }
   *
   * It holds a connection, and a snapshot of the database, until the loop is left or ctx ends: then the statement is
   * cancelled, the connection is released, and the loop rejects with the cause of ctx.
   * @throws as `run` does
   */
  async *stream<T>(
    ctx: Context,
    select: (q: Queries) => RowQuery<T>,
    options: StreamOptions = {},
  ): AsyncGenerator<T, void> {
    const places = [await this.#gates.streams.enter(ctx)]
    let connection: Connection | undefined
    try {
      places.push(await this.#gates.transactions.enter(ctx, false))
      connection = await this.#acquire(ctx, places, false)
      yield* streamRows(ctx, connection, select, options)
    } finally {
      for (const place of places) place.release(ctx, connection !== undefined)
    }
  }

  /**
   * Whether the database can be reached and written; a standby is `read-only`. Takes 700 ms at most, whatever the database
   * does: a connection that does not answer in time is closed. If calls hold all connections of the pool, it opens one more
   * instead of waiting, and resolves with `busy` if the database answers.
   * @throws a 503 Problem if the database does not answer, the cause of ctx if it ends first
   */
  async ping(parent: Context): Promise<'answers' | 'busy' | 'read-only'> {
    using ctx = withTimeout(parent, pingMs, unavailable(`the database did not answer within ${pingMs} ms`))
    if (this.#inUse >= this.#pool.options.max) return await pingBeside(ctx, this.#pool.options)
    const state = { asked: false }
    const probe = this.#withConnection(ctx, isReadOnly, async (connection) => {
      state.asked = true
      if (!(await isReadOnly(ctx, connection))) return 'answers'
      // The next connection may lead to another server.
      connection.retire()
      return 'read-only'
    })
    try {
      return await until(ctx, probe)
    } catch (error) {
      // Other calls have taken the last connection meanwhile, or still open it.
      if (!state.asked && this.#gates.pool.full()) return await pingBeside(ctx, this.#pool.options)
      throw error
    }
  }

  /** Connections of the pool: open, idle, and calls that wait for one. */
  stats(): { total: number; idle: number; waiting: number } {
    const { pool, transactions, streams } = this.#gates
    const waiting = pool.waiting + transactions.waiting + streams.waiting
    return { total: this.#pool.totalCount, idle: this.#pool.idleCount, waiting }
  }

  /** Closes all connections; waits for those in use, as long as ctx lasts. */
  async close(ctx: Context): Promise<void> {
    this.#cancels.close()
    await until(ctx, this.#pool.end())
  }

  /** @param body the caller's own function, by which the log finds the place of a fault that nobody handled */
  async #withConnection<T>(
    ctx: Context,
    body: object,
    work: (connection: Connection) => Promise<T>,
    gate?: Admission,
  ): Promise<T> {
    const around = ctx.value(joinedKey)
    let places = noPlaces
    let connection: Connection | undefined
    try {
      if (gate !== undefined) places = [await gate.enter(ctx)]
      connection = around === undefined ? await this.#acquire(ctx, places) : connectionOf(around)
      return await work(connection)
    } catch (error) {
      const failure = await failureOf(ctx, connection, error)
      noteStart(ctx, body, failure)
      throw failure
    } finally {
      if (around === undefined) connection?.release(ctx)
      for (const place of places) place.release(ctx, connection !== undefined)
    }
  }

  /**
   * A connection of the pool. The pool knows no contexts: a client that arrives after ctx has ended is returned at once.
   * @param places those that the call holds at other gates; `averaged` as for Admission's enter
   * @throws the cause of ctx, a 503 Problem
   */
  async #acquire(ctx: Context, places: readonly Place[], averaged = true): Promise<Connection> {
    const place = await this.#gates.pool.enter(ctx, averaged)
    const startedAt = performance.now()
    const arriving: Promise<pg.PoolClient> = this.#pool.connect()
    try {
      const client = await until(ctx, arriving)
      const openedMs = performance.now() - startedAt
      for (const held of places) held.connected(openedMs)
      place.connected(openedMs)
      return new Connection(client, this.#cancels, place, this.#observe)
    } catch (error) {
      place.release(ctx, false)
      // Not awaited: the client goes back to the pool when it arrives.
      arriving.then((client) => client.release()).catch(() => undefined)
      throw cause(ctx) ?? unavailable('the database does not answer', error)
    }
  }
}
