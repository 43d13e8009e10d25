import { DrizzleQueryError } from 'drizzle-orm/errors'
import type pg from 'pg'
import { cause, throwIfEnded, type Context } from '../../context/context.ts'
import { Problem, unavailable } from '../problem.ts'
import type { Connection } from './connection.ts'

/**
 * Postgres refused a statement. Holds no values: the statement's text is parameterised, and values that Postgres quotes in
 * its message are blanked. The text of your own `raise` is kept.
 */
export class QueryFailed extends Error {
  override readonly name = 'QueryFailed'
  /** https://www.postgresql.org/docs/current/errcodes-appendix.html */
  readonly sqlState: string | undefined
  readonly constraint: string | undefined
  readonly statement: string

  constructor(failure: pg.DatabaseError, statement: string, values: readonly unknown[]) {
    super(withoutValues(failure, statement, values))
    this.sqlState = failure.code
    this.constraint = failure.constraint
    this.statement = statement
  }
}

/**
 * The message of `failure`. Data exceptions (class 22) contain values, in the quotation marks of the server's language or as
 * bare numbers. The others quote names, or a value that Postgres parses as a name or a query (`::regclass`, tsquery).
 */
function withoutValues(
  { code, message }: pg.DatabaseError,
  text: string,
  values: readonly unknown[],
): string {
  if (code?.startsWith('22') === true) {
    return message.replace(/["„“»«‹].*["“”«»›]/s, '"…"').replace(/(?<!\w)-?\d[\w.+-]*/g, '…')
  }
  const isValue = (quoted: string): boolean =>
    !text.includes(quoted) && values.some((value) => String(value).includes(quoted))
  return message.replace(/"([^"]+)"/g, (whole, quoted: string) => (isValue(quoted) ? '"…"' : whole))
}

/** The connection was lost during COMMIT, so the transaction may be in the database or not. */
export class CommitOutcomeUnknown extends Error {
  override readonly name = 'CommitOutcomeUnknown'
}

/** The connection ended during a statement, which may have taken effect. The cause has Postgres's message, if it sent one. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/**
 * Connection exceptions, insufficient resources (too many connections, a full disk), and a server that starts or stops. It
 * leaves out what a second attempt would meet again: a protocol violation (08P01), and a limit that somebody set (53400).
 */
const cannotServe = /^(08(?!P01)|53(?!400)|57P)/

/**
 * The transaction lost against another one: serialization failure, deadlock, lock not available. A 503 and not a 409, which
 * would ask the client to resolve a conflict (RFC 9110, 15.5.10): the same request succeeds when the other transaction is over.
 */
const lostToAnother = /^(40001|40P01|55P03)$/

/** The error for the caller of a database call: without drizzle's wrapper, and a 503 if it is worth trying again. */
export function plain(error: unknown): unknown {
  const inner = error instanceof DrizzleQueryError ? (error.cause ?? error) : error
  if (inner instanceof ConnectionLost) return unavailable('the connection to the database was lost', inner)
  if (!(inner instanceof QueryFailed)) return inner
  const state = inner.sqlState ?? ''
  if (lostToAnother.test(state)) return unavailable('another transaction was in the way: try again', inner)
  return cannotServe.test(state) ? unavailable('the database cannot serve now', inner) : inner
}

/**
 * Like `plain`, for the async function that called the database. The stack of a refused statement has only frames of drizzle
 * and pg; this replaces it by the stack of the caller.
 */
export function plainFor(error: unknown): unknown {
  const failure = plain(error)
  if (failure instanceof QueryFailed) Error.captureStackTrace(failure, plainFor)
  return failure
}

/** The statement that Postgres refused, if that is why `error` was thrown: for code that catches it inside its call. */
export function queryFailure(error: unknown): QueryFailed | undefined {
  const failure = plain(error)
  const refused = failure instanceof Problem ? failure.cause : failure
  return refused instanceof QueryFailed ? refused : undefined
}

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
