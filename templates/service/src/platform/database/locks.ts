import pg from 'pg'
import { withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { Step } from '../telemetry/recent.ts'
import { closeAbruptly } from './packet.ts'

/** The least age of a statement worth asking about: nobody looks for the cause of a shorter wait. */
const minAgeMs = 250
/** How long Postgres may take to answer, the connection included. */
const answerMs = 500
/** How often Postgres may be asked: each time costs a connection, for which it forks a process. */
const everyMs = 1_000

const lockWaits = `select pid, wait_event as lock, array_to_string(pg_blocking_pids(pid), ', ') as holders
  from pg_stat_get_activity(null) join unnest($1::int[], $2::timestamptz[]) as asked (pid, started) using (pid)
  where wait_event_type = 'Lock' and backend_start = started`

/**
 * Returns a function that notes, in steps that execute a statement, which lock it waits for. It asks on a connection of its own,
 * since the pool's may all wait for that lock: at most once a second, and only for statements that have taken a while. Never
 * rejects: where Postgres does not answer in time, no lock is noted.
 */
export function openLocks({ url, applicationName }: { url: string; applicationName: string }) {
  let askedAt = -Infinity
  return async (parent: Context, steps: readonly Step[]): Promise<void> => {
    const slow = steps.filter(({ backend, ageMs }) => backend !== undefined && ageMs > minAgeMs)
    if (slow.length === 0 || performance.now() - askedAt < everyMs) return
    askedAt = performance.now()
    using ctx = withTimeout(parent, answerMs)
    const client = new pg.Client({ connectionString: url, application_name: applicationName })
    client.on('error', () => undefined)
    try {
      const found = await ask(ctx, client, slow)
      for (const step of slow) step.lock = found.get(step.backend?.pid) ?? null
      // Not awaited: nothing depends on its end.
      client.end().catch(() => undefined)
      // eslint-disable-next-line context/no-swallowed-end -- a look without locks is better than none
    } catch {
      for (const step of slow) step.lock = null
      closeAbruptly(client)
    }
  }
}

/** The locks that are waited for, by the pid of who waits. */
async function ask(ctx: Context, client: pg.Client, steps: readonly Step[]) {
  await until(ctx, client.connect())
  const backends = steps.flatMap(({ backend }) => backend ?? [])
  const values = [backends.map(({ pid }) => pid), backends.map(({ startedAt }) => startedAt)]
  const asked = client.query<{ pid: number; lock: string; holders: string }>(lockWaits, values)
  const { rows } = await until(ctx, asked)
  return new Map<number | undefined, string>(
    rows.map(({ pid, lock, holders }) => [pid, `${lock}, held by the backend ${holders}`]),
  )
}
