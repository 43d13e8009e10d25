import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context/context.ts'
import type { Queries } from '../platform/database/queries.ts'
import { enqueue, job, type Job, type JobKind } from '../platform/jobs/jobs.ts'
import type { Platform } from '../platform/platform.ts'

/** The input of the job: a text of at most 200 characters. An example to replace. */
export const WidgetInput = z.object({
  text: z.string().min(1).max(200),
})

const widget: JobKind<typeof WidgetInput> = { name: 'widget', input: WidgetInput, timeoutMs: 60_000 }

/**
 * Enqueues the job in the caller's transaction: `await db.transaction(ctx, async (q, ctx) => { … })`. A rollback removes the
 * job. @returns the job's id @throws ZodError
 */
export function enqueueWidget(ctx: Context, q: Queries, input: z.input<typeof WidgetInput>): Promise<string> {
  return enqueue(ctx, q, widget, input)
}

/** Makes the job that the worker runs. */
export function widgetJob(platform: Platform): Job {
  return job(widget, (ctx, input) => runWidget(ctx, platform, input))
}

/**
 * Runs the job once. When ctx ends (its time is over, or the server stops), the statement is cancelled in Postgres and this
 * rejects. The job may run again after a failure or a crash, so a second run must be right too.
 */
async function runWidget(
  ctx: Context,
  { db, log }: Platform,
  { text }: z.output<typeof WidgetInput>,
): Promise<void> {
  const { rows } = await db.run(ctx, (q) =>
    q.execute<{ length: number }>(sql`select char_length(${text}::text) as length`),
  )
  log.info(ctx, 'widget', { length: rows[0]?.length })
}
