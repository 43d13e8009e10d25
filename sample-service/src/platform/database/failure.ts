import { cause, throwIfEnded, type Context } from '../../context/context.ts'
import { unavailable } from '../problem.ts'
import type { Connection } from './connection.ts'
import { CommitOutcomeUnknown, plainFor, QueryFailed } from './errors.ts'

/** How long a ping may take: Kubernetes gives a probe 1 s. */
export const pingMs = 700

/** What a call on `connection` rejects with, if it failed with `error`. */
export async function failureOf(
  ctx: Context,
  connection: Connection | undefined,
  error: unknown,
): Promise<unknown> {
  // Even a caller whose ctx has ended must learn that its rows may be in the database.
  if (error instanceof CommitOutcomeUnknown) return error
  if (ctx.err !== undefined || connection === undefined) return cause(ctx) ?? error
  const failure = plainFor(error)
  // A write on a server that cannot be written, as after a failover, is a 503; in a read-only transaction its failure stays.
  if (!(failure instanceof QueryFailed) || failure.sqlState !== '25006') return failure
  const readOnly = await isReadOnly(ctx, connection).catch(() => true)
  throwIfEnded(ctx)
  return readOnly ? unavailable('the database cannot be written now', failure) : failure
}

/** Sends no cancel, which may take seconds itself: if Postgres does not answer in time, the connection is closed. */
export async function isReadOnly(ctx: Context, connection: Connection): Promise<boolean> {
  const { rows } = await connection.finishWith(ctx, 'show transaction_read_only', pingMs)
  return (rows as { transaction_read_only: string }[])[0]?.transaction_read_only === 'on'
}
