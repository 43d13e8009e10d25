import { sql } from 'drizzle-orm'
import type { Context } from '../context/context.ts'
import { schedule, type Job, type ScheduleOptions } from '../platform/jobs/jobs.ts'
import type { Platform } from '../platform/platform.ts'

/** In UTC. Each tick is run once, by one of the instances; ticks that pass while none is up are not made up for. */
const widget: ScheduleOptions = { name: 'widget', cron: '0 3 * * *', timeoutMs: 60_000 }

/** What the worker runs by the clock. */
export function widgetSchedule(platform: Platform): Job {
  return schedule(widget, (ctx, dueAt) => runWidget(ctx, platform, dueAt))
}

/**
 * One run, for the minute that it was due. When ctx ends (its time is over, the server stops), its statement is cancelled in
 * Postgres and this rejects. It may be run again, after a failure or a crash: what it does must be right the second time too.
 */
async function runWidget(ctx: Context, { db, log }: Platform, dueAt: Date): Promise<void> {
  const { rows } = await db.run(ctx, (q) =>
    q.execute<{ late: number }>(
      sql`select extract(epoch from now() - ${dueAt.toISOString()}::timestamptz)::int as late`,
    ),
  )
  log.info(ctx, 'widget', { dueAt, lateSeconds: rows[0]?.late })
}
