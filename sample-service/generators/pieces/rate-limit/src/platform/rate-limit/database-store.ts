import { sql } from 'drizzle-orm'
import type { Platform } from '../platform.ts'
import { rateLimits } from './rate-limit.schema.ts'
import { boundedMap, type Store, type Taken } from './store.ts'

/** How many refused callers the store remembers, so that they cost the database nothing until they may ask again. */
const most = 10_000
/** One request in `sweepEvery` deletes up to `sweptRows` old rows, more than were added since the last time. */
const [sweepEvery, sweptRows] = [100, 200]

/** Keeps quotas in the database, by its clock, for all instances together: one statement for each request. */
export function databaseStore({ db }: Pick<Platform, 'db'>): Store {
  /** The time until which a caller is refused, in milliseconds of performance.now(). */
  const refused = boundedMap<number>(most)
  let taken = 0
  return {
    async take(ctx, key, { windowMs, stepMs }) {
      const waitMs = (refused.get(key) ?? 0) - performance.now()
      if (waitMs > 0) return { allowed: false, fullInMs: windowMs - stepMs + waitMs }
      const sweeps = ++taken % sweepEvery === 0
      const { rows } = await db.run(ctx, async (q) => {
        if (sweeps) await q.execute(swept)
        return q.execute<{ allowed: boolean; full_in_ms: number }>(statement(key, windowMs, stepMs))
      })
      const [row] = rows
      // There is no row: another request has inserted it after this statement's snapshot, and used up the quota.
      const result: Taken = { allowed: row?.allowed ?? false, fullInMs: row?.full_in_ms ?? windowMs }
      if (!result.allowed) refused.set(key, performance.now() + result.fullInMs + stepMs - windowMs)
      return result
    },
  }
}

function statement(key: string, windowMs: number, stepMs: number) {
  const [window, step] = [sql`${windowMs} * interval '1 ms'`, sql`${stepMs} * interval '1 ms'`]
  const next = sql`greatest(used.full_at, clock_timestamp()) + ${step}`
  return sql`with taken as (
      insert into ${rateLimits} as used (key, full_at) values (${key}, clock_timestamp() + ${step})
      on conflict (key) do update set full_at = ${next} where ${next} <= clock_timestamp() + ${window}
      returning full_at
    ), found as (
      select true as allowed, full_at from taken
      union all select false, full_at from ${rateLimits} where key = ${key} and not exists (select from taken)
    )
    select allowed, greatest(extract(epoch from full_at - clock_timestamp()) * 1000, 0)::float8 as full_in_ms from found`
}

const swept = sql`delete from ${rateLimits} where ctid = any(array(
  select ctid from ${rateLimits} where full_at < clock_timestamp() limit ${sweptRows} for update skip locked))`
