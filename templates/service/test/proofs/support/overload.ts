import { sql } from 'drizzle-orm'
import { withValue, type Context } from '../../../src/context/context.ts'
import { sleep } from '../../../src/context/sleep.ts'
import type { Database } from '../../../src/platform/database/database.ts'
import { requestKey } from '../../../src/platform/request.ts'

/** Holds a connection of `db` for this time. */
export async function select(ctx: Context, db: Database, seconds: number): Promise<void> {
  await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${seconds})`))
}

export function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}

/** The context of a request of `caller`. */
export function requestOf(ctx: Context, caller: string): Context {
  return withValue(ctx, requestKey, { id: '', method: 'GET', path: '/', principal: caller })
}

/**
 * Asks a pool of `max` connections for twice what it can do, 50 ms each, until it refuses calls although few wait: then it is
 * overloaded by its own measure. Resolves when all are answered.
 */
export async function overload(ctx: Context, db: Database, max: number): Promise<void> {
  const calls: Promise<void>[] = []
  const seen = { overload: false }
  while (!seen.overload) {
    const call = select(ctx, db, 0.05).catch(() => {
      seen.overload ||= db.stats().waiting <= max
    })
    calls.push(call)
    await sleep(ctx, 50 / (2 * max))
  }
  await Promise.all(calls)
}
