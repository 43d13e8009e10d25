import { sql } from 'drizzle-orm'
import type { Context } from '../context/context.ts'
import { schedule, type Job, type ScheduleOptions } from '../platform/jobs/jobs.ts'
import type { Platform } from '../platform/platform.ts'

/**
 * In UTC. One of the instances runs each tick. A tick is lost if no instance runs at that time, and may be lost if Postgres is
 * away. A tick that has not succeeded when the next one is due is replaced by it, so that ticks do not pile up.
 */
const widget: ScheduleOptions = { name: 'widget', cron: '0 3 * * *', timeoutMs: 60_000 }

/** Makes the job that the clock starts. */
export function widgetSchedule(platform: Platform): Job {
  return schedule(widget, (ctx, dueAt) => runWidget(ctx, platform, dueAt))
}

/**
 * Runs the job once, for the minute that was due. When ctx ends (its time is over, or the server stops), the statement is
 * cancelled in Postgres and this rejects. It may run again after a failure or a crash, so a second run must be right too.
 */
async function runWidget(ctx: Context, { db, log }: Platform, dueAt: Date): Promise<void> {
  const { rows } = await db.run(ctx, (q) =>
    q.execute<{ late: number }>(
      sql`select extract(epoch from now() - ${dueAt.toISOString()}::timestamptz)::int as late`,
    ),
  )
  log.info(ctx, 'widget', { dueAt, lateSeconds: rows[0]?.late })
}
