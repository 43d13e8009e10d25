import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context/context.ts'
import type { Queries } from '../platform/database/queries.ts'
import { enqueue, job, type Job, type JobKind } from '../platform/jobs/jobs.ts'
import type { Platform } from '../platform/platform.ts'

/** What the job is given: a text of at most 200 characters. An example, to be replaced. */
export const WidgetInput = z.object({
  text: z.string().min(1).max(200),
})

const widget: JobKind<typeof WidgetInput> = { name: 'widget', input: WidgetInput, timeoutMs: 60_000 }

/**
 * Enqueues the job with the caller's transaction: `await db.transaction(ctx, async (q, ctx) => { … })`. If that is rolled
 * back, nothing was enqueued. @returns the job's id @throws ZodError
 */
export function enqueueWidget(ctx: Context, q: Queries, input: z.input<typeof WidgetInput>): Promise<string> {
  return enqueue(ctx, q, widget, input)
}

/** What the worker runs. */
export function widgetJob(platform: Platform): Job {
  return job(widget, (ctx, input) => runWidget(ctx, platform, input))
}

/**
 * One run. When ctx ends (its time is over, the server stops), its statement is cancelled in Postgres and this rejects. It may
 * be run again, after a failure or a crash: what it does must be right the second time too.
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
