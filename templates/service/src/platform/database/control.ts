import pg, { type Client } from 'pg'
import { afterFunc, withoutCancel, withTimeout, type Context } from '../../context/context.ts'
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

/** Cancels that one statement sends together. */
interface Batch {
  /** What gets the signal of each backend. */
  readonly cancels: Map<Backend, (signal: Signal) => void>
  /** Once it is sent, no cancel is added, and none is taken back. */
  sent: boolean
}

/**
 * Postgres answers when the signals have been sent, and a backend that waits for its next statement drops a signal. A pid
 * that belongs to another process by now, or to another server, gets none. The rows have the order of the arrays.
 */
const cancelBackends = {
  name: 'cancel',
  text: `select (select pg_cancel_backend(pid) from pg_stat_get_activity(asked.pid)
      where backend_start = asked.started and pg_postmaster_start_time() = asked.server) as sent
    from unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) as asked (pid, started, server)`,
}

const Slow = new Error(`Postgres did not answer on the control connection within ${answerMs} ms`)
const Stranger = new Error('the server of the control connection does not have the backend to cancel')

/**
 * A connection beside the pool's, on which `pg_cancel_backend` is called. The first cancel opens it. A cancel that fails
 * closes it, and for ten seconds none is opened.
 * @param newClient makes a client that has not connected yet; it may throw, as without the file of its certificate
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
    // The batch that waits for it gets the failure, too.
    connected.catch(forget)
    return { client, connected }
  }

  /** Sends the cancels that `batch` has when the control connection is open. If all have left it before, none is opened. */
  async function send(ctx: Context, target: Client, batch: Batch): Promise<void> {
    let sent: readonly boolean[] = []
    let otherwise: Signal = 'unsent'
    if (batch.cancels.size > 0 && performance.now() >= restUntil) {
      let client: Client | undefined
      asking = true
      try {
        current ??= open(target)
        client = current.client
        await untilConnected(ctx, current.connected)
        batch.sent = true
        sent = await ask(ctx, client, [...batch.cancels.keys()])
        if (sent.includes(false)) throw Stranger
      } catch (error) {
        if (client !== undefined) closeAbruptly(client)
        restUntil = Math.max(restUntil, performance.now() + restMs)
        onRest(ctx, error)
        if (batch.sent && error !== Stranger && !isRefusal(error)) otherwise = 'unknown'
      } finally {
        asking = false
      }
    }
    batch.sent = true
    for (const [i, done] of [...batch.cancels.values()].entries()) done(sent[i] === true ? 'sent' : otherwise)
  }

  return {
    cancel: inBatches(send),
    close(): void {
      restUntil = Infinity
      // Not awaited: nothing on it matters any more.
      current?.client.end().catch(() => undefined)
    },
  }
}

/** Gathers cancels while `send` is under way for those before them. */
function inBatches(send: (ctx: Context, target: Client, batch: Batch) => Promise<void>) {
  let gathered: Batch | undefined
  let last = Promise.resolve()
  /** Never rejects, and settles within seconds; at once if ctx ends before the cancel is sent. A backend has one at a time. */
  return (ctx: Context, target: Client, backend: Backend): Promise<Signal> => {
    if (gathered?.sent !== false) {
      const batch: Batch = { cancels: new Map(), sent: false }
      gathered = batch
      // Detached: the others of the batch wait for it, whether ctx has ended or not.
      last = last.then(() => send(withoutCancel(ctx), target, batch))
    }
    const batch = gathered
    return new Promise((resolve) => {
      const stop = afterFunc(ctx, () => {
        if (!batch.sent && batch.cancels.delete(backend)) resolve('unsent')
      })
      batch.cancels.set(backend, (signal) => {
        stop()
        resolve(signal)
      })
    })
  }
}

/** Signals `backends`. @returns whether Postgres has sent the signal of each. @throws Slow if it takes too long */
async function ask(ctx: Context, client: Client, backends: readonly Backend[]): Promise<boolean[]> {
  const values = [
    backends.map(({ pid }) => pid),
    backends.map(({ startedAt }) => startedAt),
    backends.map(({ serverStartedAt }) => serverStartedAt),
  ]
  using patience = withTimeout(ctx, answerMs, Slow)
  const { rows } = await until(patience, client.query<{ sent: boolean | null }>(cancelBackends, values))
  return rows.map(({ sent }) => sent === true)
}

/** @throws Slow if Postgres takes too long */
async function untilConnected(ctx: Context, connected: Promise<unknown>): Promise<void> {
  using patience = withTimeout(ctx, answerMs, Slow)
  await until(patience, connected)
}

/** Syntax errors and missing rights, class 42: Postgres has not executed the statement. */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code?.startsWith('42') === true
}
