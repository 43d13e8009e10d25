import pg from 'pg'
import type { Context } from '../../context/context.ts'
import { retry } from '../../context/retry.ts'
import type { Database } from './database.ts'
import type { Log } from '../telemetry/log.ts'
import { SettingRefused } from './client.ts'

/** @throws the last failure when ctx ends before the database has answered; the first one that no waiting mends */
export async function waitForAnswer(ctx: Context, log: Log, database: Database): Promise<void> {
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

/**
 * Wrong credentials (class 28), a database that does not exist (3D), a right that is missing (42) or a setting that the server
 * does not take (0A, 22): what Postgres says of them before a statement was sent does not change.
 */
const permanentStates = /^(0A|22|28|3D|42)/
/** Node's codes for a certificate that is not trusted, and for TLS that the two ends do not agree on. */
const permanentCodes =
  /^(CERT_|CRL_|DEPTH_ZERO_|EPROTO|ERR_SSL_|ERR_TLS_|HOSTNAME_|INVALID_|PATH_LENGTH_|SELF_SIGNED_|UNABLE_TO_)/
/** What pg finds, which has no code: no password where one is asked for, no TLS where it is wanted. */
const permanentMessages = /^SASL: |does not support SSL/

/** What PgBouncer refuses for good. It says so, and that it is full, with the one state 08P01. */
const permanentOfPooler =
  /^(SASL authentication failed|password authentication failed|no such (user|database)|unsupported startup parameter)/

/** A host that is not found is not among them: its name comes with it, where both are started together. */
function isPermanent(error: unknown): boolean {
  const failure = error instanceof Error ? (error.cause ?? error) : error
  if (!(failure instanceof Error)) return false
  if (failure instanceof SettingRefused) return true
  const code = 'code' in failure ? String(failure.code) : ''
  if (failure instanceof pg.DatabaseError)
    return permanentStates.test(code) || (code === '08P01' && permanentOfPooler.test(failure.message))
  return permanentCodes.test(code) || permanentMessages.test(failure.message)
}

/** The innermost message: outer ones say where, this one says why. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : reasonOf(error.cause)
}

/** Host, port and name that a connection string leads to: what may stand in a log, which its password may not. */
export function addressOf(url: string): string {
  const { host, port, database = '' } = new pg.Client(url)
  return `${host}:${port}/${database}`
}
