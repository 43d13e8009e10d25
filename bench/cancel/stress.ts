import { sql } from 'drizzle-orm'
import pg from 'pg'
import { throwIfEnded } from '../../generator/ended.ts'
import { cause, withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { openDatabase, type Database } from '../../templates/service/src/platform/database/database.ts'
import { createLog } from '../../templates/service/src/platform/telemetry/log.ts'
import type { Options } from './options.ts'

export interface Stress {
  /** Calls that ended with the cause of their context, that finished before it, and that failed in any other way. */
  cancelled: number
  finished: number
  failed: number
  /** Calls of neighbours, which are not cancelled, and how many of them failed. */
  innocent: number
  hit: number
  /**
   * From pg_stat_activity: the most backends of the pool and its control connection, and the most that idled in a
   * transaction for over a second.
   */
  samples: number
  backends: number
  stuck: number
  /** After the last call. */
  notIdle: number
  seconds: number
}

const application = 'bench-stress'

/** Cancels at random, before, during and after calls of every kind, with neighbours on the same pool. */
export async function stress(ctx: Context, url: string, options: Options): Promise<Stress> {
  const observer = new pg.Client({ connectionString: url })
  await observer.connect()
  const log = createLog({ level: 'silent', service: 'bench' })
  const db = await openDatabase(ctx, log, { url, poolMax: options.pool, applicationName: application })
  const seen: Stress = {
    ...{ cancelled: 0, finished: 0, failed: 0, innocent: 0, hit: 0 },
    ...{ samples: 0, backends: 0, stuck: 0, notIdle: 0, seconds: 0 },
  }
  const startedAt = performance.now()
  let over = false
  try {
    const others = group(ctx)
    for (let i = 0; i < options.pool / 2; i++) {
      others.go(async (ctx) => {
        while (!over) await innocent(ctx, db, seen)
      })
    }
    others.go(async (ctx) => {
      while (!over) {
        await sample(observer, seen)
        await sleep(ctx, 20)
      }
    })
    const impatient = group(ctx)
    for (let i = 0; i < options.pool * 2; i++) {
      impatient.go(async (ctx) => {
        while (seen.cancelled < options.cancels) {
          throwIfEnded(ctx)
          await cancelOne(ctx, db, seen)
        }
      })
    }
    await impatient.wait()
    over = true
    await others.wait()
    seen.seconds = (performance.now() - startedAt) / 1_000
    const { rows } = await observer.query<{ n: number }>(
      `select count(*)::int n from pg_stat_activity where application_name = $1 and state <> 'idle'`,
      [application],
    )
    seen.notIdle = rows[0]?.n ?? 0
    return seen
  } finally {
    await db.close(ctx)
    await observer.end()
  }
}

async function innocent(ctx: Context, db: Database, seen: Stress): Promise<void> {
  const seconds = Math.random() * 0.004
  try {
    await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${seconds})`))
  } catch (error) {
    seen.hit++
    console.error('a neighbour failed:', error)
  }
  seen.innocent++
}

async function cancelOne(parent: Context, db: Database, seen: Stress): Promise<void> {
  // A call takes about three milliseconds, and about three more to get a connection.
  using ctx = withTimeout(parent, Math.random() * 12)
  try {
    await anyCall(ctx, db)
    seen.finished++
  } catch (error) {
    if (error === cause(ctx)) {
      seen.cancelled++
      return
    }
    seen.failed++
    console.error('a call failed in another way:', error)
  }
}

async function anyCall(ctx: Context, db: Database): Promise<unknown> {
  const nap = sql`select pg_sleep(${Math.random() * 0.005})`
  const kind = Math.random()
  if (kind < 0.5) return db.run(ctx, (q) => q.execute(nap))
  if (kind < 0.7) return db.transaction(ctx, (q) => q.execute(nap))
  if (kind < 0.9) return db.transaction(ctx, (q, ctx) => q.savepoint(ctx, (q) => q.execute(nap)))
  const rows: unknown[] = []
  const naps = db.stream(
    ctx,
    (q) => q.select({ nap: sql`pg_sleep(0.001)` }).from(sql`generate_series(1, 4)`),
    {
      batchRows: 2,
    },
  )
  for await (const row of naps) rows.push(row)
  return rows
}

async function sample(observer: pg.Client, seen: Stress): Promise<void> {
  const { rows } = await observer.query<{ backends: number; stuck: number }>(
    `select count(*)::int backends,
            (count(*) filter (where state like 'idle in transaction%' and state_change < now() - interval '1 s'))::int stuck
       from pg_stat_activity where application_name = $1`,
    [application],
  )
  seen.samples++
  seen.backends = Math.max(seen.backends, rows[0]?.backends ?? 0)
  seen.stuck += rows[0]?.stuck ?? 0
}
