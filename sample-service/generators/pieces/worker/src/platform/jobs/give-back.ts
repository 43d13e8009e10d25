import { sql } from 'drizzle-orm'
import type { Job as Row } from 'graphile-worker'
import type { Context } from '../../context/context.ts'
import type { Database } from '../database/database.ts'
import { QueryFailed } from '../database/errors.ts'
import type { Platform } from '../platform.ts'

/**
 * Makes the jobs due at once and takes back the attempt, because graphile-worker counts a cancelled job as failed. Removes
 * from `rows` each job that it has given back. A job that Postgres refuses to give back stays failed, and runs again
 * later. Where the outcome of the COMMIT is unknown, it tries again: if the job has failed once more meanwhile, it may get
 * one attempt more than it has.
 * @throws a 503 Problem if the database is away, CommitOutcomeUnknown
 */
export async function giveBack(
  ctx: Context,
  { log, db }: Pick<Platform, 'log' | 'db'>,
  rows: Row[],
): Promise<void> {
  for (let row = rows[0]; row !== undefined; row = rows[0]) {
    const { id, task_identifier: job } = row
    try {
      await giveBackOne(ctx, db, row)
    } catch (err) {
      if (!(err instanceof QueryFailed)) throw err
      log.error(ctx, 'jobs: a job cannot be given back, and stays failed', { job, jobId: id, err })
    }
    rows.shift()
  }
}

async function giveBackOne(ctx: Context, db: Database, row: Row): Promise<void> {
  const { id, attempts, locked_by: worker } = row
  await db.transaction(ctx, async (q) => {
    // If the result could not be written, the worker still holds the job.
    await q.execute(sql`select from graphile_worker.force_unlock_workers(array[${worker}])`)
    // Unless another worker has begun the next attempt meanwhile.
    const mine = sql`select id from graphile_worker.jobs where id = ${id} and attempts = ${attempts}`
    await q.execute(
      sql`select from graphile_worker.reschedule_jobs(array(${mine}), run_at => now(), attempts => ${attempts - 1}::int)`,
    )
  })
}
