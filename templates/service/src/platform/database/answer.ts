import pg, { type PoolConfig } from 'pg'
import { Canceled, cause, remainingMs, type Context } from '../../context/context.ts'
import { retry } from '../../context/retry.ts'
import { until } from '../../context/until.ts'
import { unavailable } from '../problem.ts'
import type { Database } from './database.ts'
import type { Log } from '../telemetry/log.ts'
import { PooledClient, SettingRefused } from './client.ts'
import { closeAbruptly } from './packet.ts'

/**
 * Waits until `database` answers. It logs what it waits for after a second, then every three seconds.
 * @throws Error, with the last failure as its cause, when the deadline of ctx passes or waiting cannot help; the cause of ctx
 * if it was cancelled
 */
export async function waitForAnswer(ctx: Context, log: Log, url: string, database: Database): Promise<void> {
  // Before the wait: it reads the certificates that the URL names, and they may go meanwhile.
  const address = addressOf(url)
  let last: unknown
  using _reminder = whileWaiting(() => {
    // On a busy machine this timer may run before that of the deadline, which has its own line.
    if (remainingMs(ctx) <= 0) return
    const reason = last === undefined ? 'no answer yet' : reasonOf(last)
    log.warn(ctx, 'waiting for the database', { address, reason })
  })
  try {
    await retry(
      ctx,
      { retryable: (failure) => !isPermanent(failure), onRetry: (failure) => (last = failure) },
      (ctx) => database.run(ctx, (q) => q.execute('select 1')),
    )
  } catch (error) {
    // The start was stopped, so the database is not at fault.
    if (ctx.err === Canceled) throw cause(ctx)
    throw noAnswer(ctx, address, ctx.err === undefined ? error : (last ?? error))
  }
}

/** Says why, by the last failure and by the cause of ctx, which names the timeout's variable. */
function noAnswer(ctx: Context, address: string, failure: unknown): Error {
  const reasons = new Set([failure, ...(ctx.err === undefined ? [] : [cause(ctx)])].map(reasonOf))
  const reason = [...reasons].join('; ')
  return new Error(`the database at ${address} does not answer: ${reason}`, { cause: failure })
}

/** Calls `say` after a second and then every three seconds, until it is disposed. */
export function whileWaiting(say: () => void): Disposable {
  let timer = setTimeout(remind, 1_000)
  function remind(): void {
    timer = setTimeout(remind, 3_000)
    say()
  }
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

/**
 * Wrong credentials (class 28), a database that does not exist (3D), a missing right (42) or a setting that the server does
 * not accept (0A, 22). Before the first statement none of these changes by waiting.
 */
const permanentStates = /^(0A|22|28|3D|42)/
/** Node's codes for a certificate that is not trusted, and for TLS that the two ends cannot agree on. */
const permanentCodes =
  /^(CERT_|CRL_|DEPTH_ZERO_|EPROTO|ERR_SSL_|ERR_TLS_|HOSTNAME_|INVALID_|PATH_LENGTH_|SELF_SIGNED_|UNABLE_TO_)/
/** Failures of pg that have no code: a missing password, a server without TLS. */
const permanentMessages = /^SASL: |does not support SSL/
/** PgBouncer uses 08P01 for all of its refusals, even for temporary ones, such as that it is full. */
const permanentOfPooler =
  /^(SASL authentication failed|password authentication failed|no such (user|database)|unsupported startup parameter)/

/** Whether to connect again would not help. An unknown host is not permanent: its name may appear when the host starts. */
export function isPermanent(error: unknown): boolean {
  const failure = error instanceof Error ? (error.cause ?? error) : error
  if (!(failure instanceof Error)) return false
  if (failure instanceof SettingRefused) return true
  const code = 'code' in failure ? String(failure.code) : ''
  if (failure instanceof pg.DatabaseError)
    return permanentStates.test(code) || (code === '08P01' && permanentOfPooler.test(failure.message))
  return permanentCodes.test(code) || permanentMessages.test(failure.message)
}

/** The innermost message, which says why; the outer ones say where. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : reasonOf(error.cause)
}

/** Host, port and name of a connection string, without its password: for a log. */
export function addressOf(url: string): string {
  const { host, port, database = '' } = new pg.Client(url)
  return `${host}:${port}/${database}`
}

/**
 * Finds out whether Postgres answers while calls hold every connection of the pool, by opening one more and closing it. A
 * server that refuses it because of too many connections has answered, too.
 * @throws a 503 Problem if it does not answer, the cause of ctx if it ends first
 */
export async function pingBeside(ctx: Context, options: PoolConfig): Promise<'busy'> {
  const client = new PooledClient(options)
  client.on('error', () => undefined)
  try {
    await until(ctx, client.connect())
  } catch (error) {
    if (!(error instanceof pg.DatabaseError))
      throw cause(ctx) ?? unavailable('the database does not answer', error)
  } finally {
    closeAbruptly(client)
  }
  return 'busy'
}
