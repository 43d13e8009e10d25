import { cause, withCancel, type Context } from '../../context/context.ts'
import type { Connection } from './connection.ts'
import { CommitOutcomeUnknown, ConnectionLost, plain } from './errors.ts'
import { within, type Gate, type Queries } from './queries.ts'

/** The work of a transaction or a savepoint: `ctx` is its own, for what it calls, and ends with it. */
// eslint-disable-next-line context/context-first -- most work needs q alone
export type Work<T> = (q: Transaction, ctx: Context) => Promise<T>

/** Queries inside a transaction. */
export interface Transaction extends Queries {
  /**
   * A part of the transaction that can fail by itself: when `work` rejects or ctx ends, what the part did is undone,
   * this rejects, and the transaction may go on. While it is under way, only the handle that it hands out can be used.
   * @throws what `work` throws, the cause of ctx, or QueryFailed, as db.run does
   */
  savepoint<T>(ctx: Context, work: Work<T>): Promise<T>
}

/** Slack of Postgres's own timeout over the context's deadline: the context should be what ends a statement. */
const statementTimeoutSlackMs = 1_000
/** How long a COMMIT may take: it may check deferred constraints and wait for a replica. */
const commitBudgetMs = 30_000
/** How long the other statements that steer a transaction may take: Postgres answers them from memory. */
const steeringBudgetMs = 5_000

/** Runs `work` between BEGIN and COMMIT, or ROLLBACK if it rejects or ctx ends. */
export async function transact<T>(ctx: Context, connection: Connection, work: Work<T>): Promise<T> {
  let result
  try {
    await begin(ctx, connection, 'BEGIN')
    result = await unit(ctx, connection, work)
  } catch (error) {
    await rollback(ctx, connection)
    throw error
  }
  await commit(ctx, connection)
  return result
}

/**
 * `how` begins the transaction, and what is left of the deadline becomes Postgres's own timeout: in one message, so it
 * costs no round trip.
 */
export async function begin(ctx: Context, connection: Connection, how: string): Promise<void> {
  let text = how
  if (ctx.deadline !== undefined) {
    const leftMs = Math.max(0, Math.ceil(ctx.deadline - Date.now())) + statementTimeoutSlackMs
    text += `; SET LOCAL statement_timeout = ${Math.min(leftMs, 2 ** 31 - 1)}`
  }
  await connection.execute(ctx, { text })
}

/** Leaves a connection that cannot roll back for `release` to close, which rolls back as well. */
export async function rollback(ctx: Context, connection: Connection): Promise<void> {
  if (!connection.inTransaction()) return
  // eslint-disable-next-line context/no-swallowed-end -- ctx may have ended: that is why it rolls back
  await connection.conclude(ctx, 'ROLLBACK', steeringBudgetMs).catch(() => undefined)
}

/** Runs `work` with a context and a handle of its own; neither outlives it. */
async function unit<T>(ctx: Context, connection: Connection, work: Work<T>): Promise<T> {
  using inside = withCancel(ctx)
  const result = await within(inside, connection, async (q, gate) => {
    const nested = { savepoint: savepointOf(connection, gate) }
    const result = await work(Object.assign(q, nested), inside)
    if (gate.refusal !== undefined)
      throw new Error('a savepoint was still open when the work around it had returned: await it')
    return result
  })
  const ended = cause(ctx)
  if (ended !== undefined) throw ended
  return result
}

/** `gate` is that of the handle around it, which is shut meanwhile: its statements would be undone with the part's. */
function savepointOf(connection: Connection, gate: Gate): Transaction['savepoint'] {
  return async (ctx, work) => {
    if (gate.refusal !== undefined) throw new Error(gate.refusal)
    const ended = cause(ctx)
    if (ended !== undefined) throw ended
    const shut = 'a query handle was used while a savepoint of it was open: use the handle of the savepoint'
    gate.refusal = shut
    try {
      // One name will do: Postgres takes it for the latest savepoint of this name, and they end in reverse order.
      await connection.conclude(ctx, 'SAVEPOINT part', steeringBudgetMs)
      return await part(ctx, connection, work)
    } finally {
      if (gate.refusal === shut) gate.refusal = undefined
    }
  }
}

async function part<T>(ctx: Context, connection: Connection, work: Work<T>): Promise<T> {
  try {
    const result = await unit(ctx, connection, work)
    await connection.conclude(ctx, 'RELEASE SAVEPOINT part', steeringBudgetMs)
    return result
  } catch (error) {
    const undo = 'ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part'
    // Where this fails the connection is lost, or the transaction is over: its next statement or its COMMIT says so.
    await connection.conclude(ctx, undo, steeringBudgetMs).catch(() => undefined)
    throw cause(ctx) ?? plain(error)
  }
}

/** Once sent it is not cancelled: whoever asked would not know the outcome. */
async function commit(ctx: Context, connection: Connection): Promise<void> {
  const result = await connection.conclude(ctx, 'COMMIT', commitBudgetMs).catch((error: unknown) => {
    if (!(error instanceof ConnectionLost)) throw error
    throw new CommitOutcomeUnknown('the connection was lost during COMMIT', { cause: error })
  })
  // Postgres answers COMMIT of a failed transaction with ROLLBACK, as if nothing were wrong.
  if (result.command === 'ROLLBACK')
    throw new Error('the transaction was rolled back: one of its statements had failed')
}
