import { DrizzleQueryError } from 'drizzle-orm/errors'
import pg from 'pg'
import { unavailable } from './problem.ts'

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

/** The connection ended under a statement, which may have been done. Its cause is what ended it, in Postgres's words if it said any. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** Connection exceptions, insufficient resources (too many connections, a full disk), and a server on its way up or down. */
const cannotServe = /^(08|53|57P)/

/**
 * What the caller of a database call is to know: drizzle wraps what pg throws, with the values of the statement in the
 * message. That Postgres cannot serve just now is a 503 whoever notices it, and in the middle of whatever.
 */
export function plain(error: unknown): unknown {
  const inner = error instanceof DrizzleQueryError ? (error.cause ?? error) : error
  if (inner instanceof ConnectionLost) return unavailable('the connection to the database was lost', inner)
  if (!(inner instanceof pg.DatabaseError)) return inner
  const failure = new QueryFailed(inner, error instanceof DrizzleQueryError ? error.query : undefined)
  return cannotServe.test(inner.code ?? '') ? unavailable('the database cannot serve now', failure) : failure
}

/** The statement that Postgres refused, where this is why `error` came about: for work that catches it inside of its call. */
export function queryFailure(error: unknown): QueryFailed | undefined {
  const failure = plain(error)
  return failure instanceof QueryFailed ? failure : undefined
}
