import pg from 'pg'
import {
  contextName,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { until } from '../../context/until.ts'

/** The cause of a job's context when its worker can no longer prove that it is alive: another worker may run the job. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/** How often workers look for dead ones. A worker counts as dead if it is missing twice in a row. */
const lookMs = 2_000
/** How long Postgres may take to answer. */
const answerMs = 5_000

/**
 * Proves that a worker is alive, by a lock in Postgres that lasts exactly as long as one connection of this process. Without it
 * the jobs of a killed process would wait four hours, until graphile-worker gives them up.
 */
export interface Lease {
  /** Takes the lock of the worker that jobs name in `locked_by`; from then on it gives the jobs of dead workers back. */
  hold(worker: string): Promise<void>
  close(ctx: Context): Promise<void>
}

/** Connects. When the connection is lost or Postgres does not answer on it, it cancels `working` with LeaseLost. */
export async function openLease(
  ctx: Context,
  working: CancelContext & Lifetime,
  { url, applicationName }: { url: string; applicationName: string },
): Promise<Lease> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName, keepAlive: true })
  const lose = (why: unknown): void =>
    working.cancel(new LeaseLost('the connection that holds the lock of this worker is lost', { cause: why }))
  client.on('error', lose).on('end', () => lose(new Error('it was closed')))
  let held: Promise<void> | undefined
  let looking: Promise<void> | undefined
  try {
    await until(ctx, client.connect())
    await until(ctx, client.query(quickToNotice))
  } catch (error) {
    // Does not wait: a connection attempt that hangs would delay the start.
    client.end().catch(() => undefined)
    throw error
  }

  async function take(worker: string): Promise<void> {
    await until(working, client.query('select pg_advisory_lock(hashtextextended($1, 0))', [worker]))
    looking = look(working, client, worker).catch(lose)
  }
  return {
    hold(worker) {
      held ??= take(worker)
      return held
    },
    async close(ctx) {
      working.cancel()
      await looking
      await until(ctx, client.end())
    },
  }
}

/**
 * A machine that vanishes does not close its connections. With these settings Postgres notices within half a minute instead of
 * two hours.
 */
const quickToNotice =
  'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3'

/** Finds the workers that do not hold their lock: for the others, the attempt to lock fails. */
const deadWorkers = `select worker
  from (select distinct locked_by as worker from graphile_worker.jobs where locked_by <> $1) as others
  where pg_try_advisory_xact_lock(hashtextextended(worker, 0))`

/** Gives the jobs of dead workers back, in a loop until ctx ends. @throws Error if Postgres does not answer */
async function look(ctx: Context, client: pg.Client, self: string): Promise<never> {
  let missed: readonly string[] = []
  for (;;) {
    const dead = await ask<{ worker: string }>(ctx, client, deadWorkers, [self])
    const gone = dead.map(({ worker }) => worker).filter((worker) => missed.includes(worker))
    if (gone.length > 0) await ask(ctx, client, 'select graphile_worker.force_unlock_workers($1)', [gone])
    missed = dead.map(({ worker }) => worker)
    await sleep(ctx, lookMs)
  }
}

async function ask<Row extends pg.QueryResultRow>(
  parent: Context,
  client: pg.Client,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  using ctx = withTimeout(withValue(parent, contextName, 'lease'), answerMs)
  return (await until(ctx, client.query<Row>(text, values))).rows
}
