import { sql, type SQL } from 'drizzle-orm'
import { contextName, withTimeout, withValue, type Context } from '../../context/context.ts'
import { joinedKey } from '../database/transaction.ts'
import type { Platform } from '../platform.ts'
import { requestKey } from '../request.ts'
import { rateLimits } from './rate-limit.schema.ts'
import { boundedMap, leftOf, type Quota, type Store, type Taken } from './store.ts'
import { together } from './together.ts'

/** How many refused callers the store remembers, so that they cost the database nothing until they may ask again. */
const most = 10_000
/** After how many requests old rows are deleted. */
const sweepEvery = 100

/**
 * Keeps quotas in the database, by its clock, for all instances together. A process has one statement under way for each limit,
 * and the next takes for all requests that have come meanwhile: in a statement for each, a burst would fill the pool, and the
 * requests that get no connection in time pass unchecked.
 */
export function databaseStore({ db }: Pick<Platform, 'db'>): Store {
  /** The time until which a caller is refused, in milliseconds of performance.now(). */
  const refused = boundedMap<number>(most)
  const limits = new WeakMap<Quota, (ctx: Context, key: string) => Promise<Taken>>()
  let unswept = 0

  async function takeAll(
    ctx: Context,
    keys: readonly string[],
    { quota, patienceMs }: Limit,
  ): Promise<Taken[]> {
    const execute = async (text: SQL): Promise<readonly Row[]> => {
      using patient = withTimeout(ofNoCaller(ctx), patienceMs)
      return (await db.run(patient, (q) => q.execute<Row>(text))).rows
    }
    unswept += keys.length
    if (unswept >= sweepEvery) {
      // More than have come since the last time.
      const rows = 2 * unswept
      unswept = 0
      await execute(swept(rows))
    }
    const taken = new Map<string, { readonly count: number; readonly fullInMs: number }>()
    const asked = countsOf(keys, leftOf(quota, 0))
    while (asked.size > 0) {
      // A row that another instance has just made may be missing: the statement began too early to see it, and the next finds it.
      for (const { key, allowed, full_in_ms: fullInMs } of await execute(statement(asked, quota))) {
        const count = asked.get(key) ?? 0
        const left = allowed ? count : leftOf(quota, fullInMs)
        if (allowed || left === 0) {
          taken.set(key, { count: left, fullInMs })
          asked.delete(key)
        } else asked.set(key, Math.min(count, left))
      }
    }
    const given = new Map<string, number>()
    return keys.map((key) => {
      const { count = 0, fullInMs = quota.windowMs } = taken.get(key) ?? {}
      const nth = (given.get(key) ?? 0) + 1
      given.set(key, nth)
      if (nth > count) return { allowed: false, fullInMs }
      return { allowed: true, fullInMs: Math.max(0, fullInMs - (count - nth) * quota.stepMs) }
    })
  }

  return {
    async take(ctx, key, quota, patienceMs) {
      const { windowMs, stepMs } = quota
      const waitMs = (refused.get(key) ?? 0) - performance.now()
      if (waitMs > 0) return { allowed: false, fullInMs: windowMs - stepMs + waitMs }
      const all = (ctx: Context, keys: readonly string[]): Promise<Taken[]> =>
        takeAll(ctx, keys, { quota, patienceMs })
      const one = limits.get(quota) ?? together(all)
      limits.set(quota, one)
      const result = await one(ctx, key)
      if (!result.allowed) refused.set(key, performance.now() + result.fullInMs + stepMs - windowMs)
      return result
    },
  }
}

/**
 * Returns ctx without what it has of the first caller: the statement is not part of its transaction, and
 * does not wait for its turn.
 */
function ofNoCaller(ctx: Context): Context {
  const own = withValue(withValue(ctx, joinedKey, undefined), requestKey, undefined)
  return withValue(own, contextName, 'rate limit')
}

/** How often each key is asked for; at most the whole quota. */
function countsOf(keys: readonly string[], whole: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, Math.min((counts.get(key) ?? 0) + 1, whole))
  return counts
}

interface Limit {
  readonly quota: Quota
  /** How long one statement may take. */
  readonly patienceMs: number
}

interface Row extends Record<string, unknown> {
  readonly key: string
  /** Whether all that were asked for have been taken; else none. */
  readonly allowed: boolean
  readonly full_in_ms: number
}

function statement(asked: ReadonlyMap<string, number>, { windowMs, stepMs }: Quota) {
  const [keys, counts] = [sql.param([...asked.keys()]), sql.param([...asked.values()])]
  const [window, step] = [sql`${windowMs} * interval '1 ms'`, sql`(${stepMs} * interval '1 ms')`]
  const now = sql`statement_timestamp()`
  // A later time than the quota can have is left from before the clock was set back. One window more: a
  // statement may have waited.
  const used = sql`case when used.full_at > ${now} + 2 * ${window} then ${now} else greatest(used.full_at, ${now}) end`
  const next = sql`${used} + (excluded.full_at - ${now})`
  // In the order of keys, so that two instances do not wait for each other.
  return sql`with asked as (select * from unnest(${keys}::text[], ${counts}::int[]) as asked (key, count)),
    taken as (
      insert into ${rateLimits} as used (key, full_at) select key, ${now} + count * ${step} from asked order by key
      on conflict (key) do update set full_at = ${next} where ${next} <= ${now} + ${window}
      returning key, full_at
    ), found as (
      select key, true as allowed, full_at from taken
      union all select key, false, full_at from ${rateLimits} join asked using (key) where key not in (select key from taken)
    )
    select key, allowed, greatest(extract(epoch from full_at - clock_timestamp()) * 1000, 0)::float8 as full_in_ms from found`
}

function swept(rows: number) {
  return sql`delete from ${rateLimits} where ctid = any(array(
  select ctid from ${rateLimits} where full_at < clock_timestamp() limit ${rows} for update skip locked))`
}
