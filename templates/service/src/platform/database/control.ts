import pLimit from 'p-limit'
import pg, { type Client } from 'pg'
import { withoutCancel, withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { Backend } from './client.ts'
import { aimAt, closeAbruptly } from './packet.ts'
import { takeTurn } from './turn.ts'

/** How long Postgres may take to let the control connection in, and to answer on it. */
const answerMs = 1_000
/** For how long nobody uses it after one cancel that failed on it. */
const restMs = 10_000
/** After so long the next cancel opens a new one: the role may have changed meanwhile, and the server behind the name. */
const lifetimeMs = 5 * 60_000

/** `unknown`: Postgres was asked, and did not say whether it has signalled the backend. It may still do so. */
export type Told = 'sent' | 'unsent' | 'unknown'

/** A connection beside the pool's, on which Postgres is asked to cancel what they run. */
export interface Control {
  /** Has its turn, one at a time, unless ctx ends before. Settles within seconds, and never rejects. */
  cancel(ctx: Context, client: Client, backend: Backend): Promise<Told>
  close(): void
}

/**
 * When the answer comes the signal has been sent, and a backend that waits for its next statement drops it. A number
 * that is another process's by now, or of another server, matches no row.
 */
const cancelBackend = {
  name: 'cancel',
  text: `select pg_cancel_backend(pid) as sent from pg_stat_get_activity($1)
    where backend_start = $2::timestamptz and pg_postmaster_start_time() = $3::timestamptz`,
}

const Slow = new Error(`Postgres did not answer on the control connection within ${answerMs} ms`)
const Stranger = new Error('the server of the control connection does not have the backend to cancel')

/**
 * The first cancel opens it. After one that fails it is closed, and not opened again for ten seconds.
 * @param dial makes a client that has not connected yet
 * @param onRest hears why it is not used for a while
 */
export function openControl(dial: () => Client, onRest: (ctx: Context, reason: unknown) => void): Control {
  const turns = pLimit(1)
  let current: { readonly client: Client; readonly connected: Promise<unknown> } | undefined
  let restUntil = 0

  return {
    async cancel(ctx, client, backend) {
      return (await takeTurn(ctx, turns, () => ask(ctx, client, backend))) ?? 'unsent'
    },
    close() {
      restUntil = Infinity
      // Not waited for: nothing is under way on it that matters any more.
      current?.client.end().catch(() => undefined)
    },
  }

  async function ask(ctx: Context, target: Client, backend: Backend): Promise<Told> {
    if (performance.now() < restUntil) return 'unsent'
    const { client, connected } = (current ??= open(target))
    let asked = false
    try {
      {
        using patience = withTimeout(ctx, answerMs, Slow)
        await until(patience, connected)
      }
      asked = true
      const values = [backend.pid, backend.startedAt, backend.serverStartedAt]
      // Until the answer comes the signal is on its way, whether ctx has ended or not. It ends in a second.
      using patience = withTimeout(withoutCancel(ctx), answerMs, Slow)
      const { rows } = await until(patience, client.query<{ sent: boolean }>({ ...cancelBackend, values }))
      if (rows[0]?.sent === true) return 'sent'
      throw Stranger
    } catch (error) {
      // The statement has ended while the connection was on its way. The next cancel will find it open.
      if (!asked && ctx.err !== undefined) return 'unsent'
      closeAbruptly(client)
      restUntil = Math.max(restUntil, performance.now() + restMs)
      onRest(ctx, error)
      return asked && error !== Stranger && !isRefusal(error) ? 'unknown' : 'unsent'
    }
  }

  function open(target: Client): NonNullable<typeof current> {
    const client = dial()
    aimAt(target, client)
    const lifetime = setTimeout(() => {
      // At work just now. It may grow older.
      if (turns.activeCount > 0) {
        lifetime.refresh()
        return
      }
      forget()
      // Nobody waits for its end: the next cancel opens another.
      client.end().catch(() => undefined)
    }, lifetimeMs).unref()
    const forget = (): void => {
      clearTimeout(lifetime)
      if (current?.client === client) current = undefined
    }
    client.on('error', forget).on('end', forget)
    const connected = client.connect()
    // Who waits for it hears why, and it may be needed by the next one.
    connected.catch(forget)
    return { client, connected }
  }
}

/** Syntax errors and missing rights, class 42: Postgres has not run it. */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code?.startsWith('42') === true
}
