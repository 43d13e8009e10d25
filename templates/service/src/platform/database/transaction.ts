import {
  cause,
  contextKey,
  remainingMs,
  throwIfEnded,
  withCancel,
  withValue,
  type Context,
} from '../../context/context.ts'
import type { Connection } from './connection.ts'
import { CommitOutcomeUnknown, ConnectionLost, plain } from './errors.ts'
import { within, type Gate, type Queries } from './queries.ts'

/** What a transaction or a savepoint calls: `ctx` is its own, for what it calls, and ends with it. */
// eslint-disable-next-line context/context-first -- most bodies need q alone
export type TransactionBody<T> = (q: Transaction, ctx: Context) => Promise<T>

/** Queries inside a transaction. */
export interface Transaction extends Queries {
  /**
   * A part of the transaction that can fail by itself: when `body` rejects or ctx ends, what the part did is undone,
   * this rejects, and the transaction may go on. Until then, only the handle that `body` gets can be used.
   * @throws what `body` throws, the cause of ctx, or QueryFailed, as db.run does
   */
  savepoint<T>(ctx: Context, body: TransactionBody<T>): Promise<T>
}

/** A transaction that db.run and db.transaction join when ctx has it: their statements go over its connection. */
export interface Joined {
  readonly connection: Connection
  /** Shut while a savepoint of the transaction is open. */
  readonly gate: Gate
}

export const joinedKey = contextKey<Joined>('transaction')

/** @throws Error while a savepoint of the transaction is open: the statement would be undone with it */
export function connectionOf({ connection, gate }: Joined): Connection {
  if (gate.refusal !== undefined) throw new Error(gate.refusal)
  return connection
}

/** How long after the deadline of ctx Postgres's own timeouts fire, so that the context ends a statement first. */
const timeoutSlackMs = 1_000
/** How long a COMMIT may take: it may check deferred constraints and wait for a replica. */
const commitBudgetMs = 30_000
/** How long ROLLBACK and the savepoint statements may take: Postgres answers them from memory. */
const answerBudgetMs = 5_000

/**
 * Calls `body` between BEGIN and COMMIT, or ROLLBACK if it rejects or ctx ends.
 * @param joins whether the calls of the database under the context of `body` join it
 */
export async function transact<T>(
  ctx: Context,
  connection: Connection,
  body: TransactionBody<T>,
  joins: boolean,
): Promise<T> {
  let result
  try {
    await beginTransaction(ctx, connection, 'BEGIN')
    result = await callBody(ctx, connection, body, joins)
  } catch (error) {
    await rollback(ctx, connection)
    throw error
  }
  await commit(ctx, connection)
  return result
}

/**
 * Sends `how`, which begins the transaction. The same message sets Postgres's own timeouts to the time left to the deadline,
 * unless the role has shorter ones. The one for statements backs up the context; the one for idle transactions frees the locks of
 * a process that hangs or has vanished.
 */
export async function beginTransaction(ctx: Context, connection: Connection, how: string): Promise<void> {
  let text = how
  const untilDeadlineMs = remainingMs(ctx)
  if (untilDeadlineMs !== Infinity) {
    const leftMs = Math.max(0, Math.ceil(untilDeadlineMs)) + timeoutSlackMs
    for (const [name, ownMs] of connection.timeouts())
      text += `; SET LOCAL ${name} = ${Math.min(leftMs, ownMs || Infinity, 2 ** 31 - 1)}`
  }
  await connection.execute(ctx, { text })
}

/** If this fails, `release` closes the connection, which rolls back as well. */
export async function rollback(ctx: Context, connection: Connection): Promise<void> {
  if (!connection.inTransaction()) return
  // eslint-disable-next-line context/no-swallowed-end -- ctx may have ended: that is why it rolls back
  await connection.finishWith(ctx, 'ROLLBACK', answerBudgetMs).catch(() => undefined)
}

/** Calls `body` with a context and a handle that end when it returns. */
async function callBody<T>(
  ctx: Context,
  connection: Connection,
  body: TransactionBody<T>,
  joins: boolean,
): Promise<T> {
  using inside = withCancel(ctx)
  const result = await within(inside, connection, async (q, gate) => {
    const nested = { savepoint: savepointOf({ connection, gate }, joins) }
    const own = joins ? withValue(inside, joinedKey, { connection, gate }) : inside
    const result = await body(Object.assign(q, nested), own)
    if (gate.refusal !== undefined)
      throw new Error('a savepoint was still open when the body around it had returned: await it')
    return result
  })
  throwIfEnded(ctx)
  return result
}

/** An open savepoint shuts `gate`, that of the outer handle: its rollback would undo the outer handle's statements, too. */
export function savepointOf({ connection, gate }: Joined, joins: boolean): Transaction['savepoint'] {
  return async (ctx, body) => {
    if (gate.refusal !== undefined) throw new Error(gate.refusal)
    throwIfEnded(ctx)
    const shut = 'a query handle was used while a savepoint of it was open: use the handle of the savepoint'
    gate.refusal = shut
    try {
      // One name is enough: Postgres takes the latest savepoint of a name, and they end in reverse order.
      await connection.finishWith(ctx, 'SAVEPOINT part', answerBudgetMs)
      return await part(ctx, connection, body, joins)
    } finally {
      if (gate.refusal === shut) gate.refusal = undefined
    }
  }
}

async function part<T>(
  ctx: Context,
  connection: Connection,
  body: TransactionBody<T>,
  joins: boolean,
): Promise<T> {
  try {
    const result = await callBody(ctx, connection, body, joins)
    await connection.finishWith(ctx, 'RELEASE SAVEPOINT part', answerBudgetMs)
    return result
  } catch (error) {
    const undo = 'ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part'
    // If this fails, the connection is lost or the transaction is over: its next statement or its COMMIT says so.
    await connection.finishWith(ctx, undo, answerBudgetMs).catch(() => undefined)
    throw cause(ctx) ?? plain(error)
  }
}

/** Not cancelled once it is sent: the caller would not know the outcome. */
async function commit(ctx: Context, connection: Connection): Promise<void> {
  const result = await connection.finishWith(ctx, 'COMMIT', commitBudgetMs).catch((error: unknown) => {
    if (!(error instanceof ConnectionLost)) throw error
    throw new CommitOutcomeUnknown('the connection was lost during COMMIT', { cause: error })
  })
  // Postgres answers the COMMIT of a failed transaction with ROLLBACK and no error.
  if (result.command === 'ROLLBACK')
    throw new Error('the transaction was rolled back: one of its statements had failed')
}
