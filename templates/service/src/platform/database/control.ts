import pg, { type Client } from 'pg'
import { withoutCancel, withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { Backend } from './client.ts'
import { aimAt, closeAbruptly } from './packet.ts'

/** How long Postgres may take to accept the control connection, and to answer on it. */
const answerMs = 1_000
/** How long the control connection is not used after a cancel failed on it. */
const restMs = 10_000
/** How long a control connection is used: after that, the role or the server behind the name may have changed. */
const lifetimeMs = 5 * 60_000

/** `unknown`: Postgres received the cancel and did not answer, so it may still signal the backend. */
type Signal = 'sent' | 'unsent' | 'unknown'

/**
 * Postgres answers when the signal has been sent, and a backend that waits for its next statement drops a signal. A pid
 * that belongs to another process by now, or to another server, matches no row.
 */
const cancelBackend = {
  name: 'cancel',
  text: `select pg_cancel_backend(pid) as sent from pg_stat_get_activity($1)
    where backend_start = $2::timestamptz and pg_postmaster_start_time() = $3::timestamptz`,
}

const Slow = new Error(`Postgres did not answer on the control connection within ${answerMs} ms`)
const Stranger = new Error('the server of the control connection does not have the backend to cancel')

/**
 * A connection beside the pool's, on which `pg_cancel_backend` is called. The first cancel opens it. A cancel that fails
 * closes it, and for ten seconds none is opened.
 * @param newClient makes a client that has not connected yet
 * @param onRest is called with the reason when such a pause starts
 */
export function openControl(newClient: () => Client, onRest: (ctx: Context, reason: unknown) => void) {
  let current: { readonly client: Client; readonly connected: Promise<unknown> } | undefined
  let restUntil = 0
  let asking = false

  function open(target: Client): NonNullable<typeof current> {
    const client = newClient()
    aimAt(target, client)
    const forget = (): void => {
      clearTimeout(lifetime)
      if (current?.client === client) current = undefined
    }
    const lifetime = setTimeout(() => {
      if (asking) {
        lifetime.refresh()
        return
      }
      forget()
      // Nobody waits for its end: the next cancel opens another.
      client.end().catch(() => undefined)
    }, lifetimeMs).unref()
    client.on('error', forget).on('end', forget)
    const connected = client.connect()
    // The callers that wait for it get the failure, too.
    connected.catch(forget)
    return { client, connected }
  }

  /** Never rejects, and settles within seconds. The caller makes one call at a time. */
  async function cancel(ctx: Context, target: Client, backend: Backend): Promise<Signal> {
    if (performance.now() < restUntil) return 'unsent'
    const { client, connected } = (current ??= open(target))
    let sent = false
    asking = true
    try {
      await untilConnected(ctx, connected)
      sent = true
      const values = [backend.pid, backend.startedAt, backend.serverStartedAt]
      // Detached: until Postgres answers, the signal is on its way, whether ctx has ended or not.
      using patience = withTimeout(withoutCancel(ctx), answerMs, Slow)
      const { rows } = await until(patience, client.query<{ sent: boolean }>(cancelBackend, values))
      if (rows[0]?.sent === true) return 'sent'
      throw Stranger
    } catch (error) {
      // The statement has ended while the connection was being opened, which the next cancel will use.
      if (!sent && ctx.err !== undefined) return 'unsent'
      closeAbruptly(client)
      restUntil = Math.max(restUntil, performance.now() + restMs)
      onRest(ctx, error)
      return sent && error !== Stranger && !isRefusal(error) ? 'unknown' : 'unsent'
    } finally {
      asking = false
    }
  }

  return {
    cancel,
    close(): void {
      restUntil = Infinity
      // Not awaited: nothing on it matters any more.
      current?.client.end().catch(() => undefined)
    },
  }
}

/** @throws Slow if Postgres takes too long; the cause of ctx if that ends first */
async function untilConnected(ctx: Context, connected: Promise<unknown>): Promise<void> {
  using patience = withTimeout(ctx, answerMs, Slow)
  await until(patience, connected)
}

/** Syntax errors and missing rights, class 42: Postgres has not executed the statement. */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code?.startsWith('42') === true
}
