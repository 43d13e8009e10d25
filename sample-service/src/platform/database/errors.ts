import { DrizzleQueryError } from 'drizzle-orm/errors'
import type pg from 'pg'
import { unavailable } from '../problem.ts'

/**
 * Postgres refused a statement. Says what and why, and holds no values, neither the statement's, whose text is parameterised,
 * nor those of rows: what Postgres quotes of them is blanked. What a `raise` of your own says is kept.
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
 * The message of `failure`. Those of data exceptions (class 22) are about values, quoted in the marks of the server's language or
 * bare numbers. The others quote names, but for a value that is parsed as one, or as a query of its own (`::regclass`, tsquery).
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

/** The connection was lost during COMMIT: whether the transaction is in the database, only the database knows. */
export class CommitOutcomeUnknown extends Error {
  override readonly name = 'CommitOutcomeUnknown'
}

/** The connection ended under a statement, which may have been done. Its cause is what ended it, in Postgres's words if it said any. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/**
 * Connection exceptions, insufficient resources (too many connections, a full disk), and a server on its way up or down. Not what
 * a statement of ours brings about each time it is tried: one that breaks the protocol (08P01), or a limit set for it (53400).
 */
const cannotServe = /^(08(?!P01)|53(?!400)|57P)/

/**
 * What the caller of a database call is to know, without drizzle's wrapper. That Postgres cannot serve just now is a 503
 * whoever notices it, and in the middle of whatever.
 */
export function plain(error: unknown): unknown {
  const inner = error instanceof DrizzleQueryError ? (error.cause ?? error) : error
  if (inner instanceof ConnectionLost) return unavailable('the connection to the database was lost', inner)
  if (!(inner instanceof QueryFailed) || !cannotServe.test(inner.sqlState ?? '')) return inner
  return unavailable('the database cannot serve now', inner)
}

/** The statement that Postgres refused, where this is why `error` came about: for work that catches it inside of its call. */
export function queryFailure(error: unknown): QueryFailed | undefined {
  const failure = plain(error)
  return failure instanceof QueryFailed ? failure : undefined
}
