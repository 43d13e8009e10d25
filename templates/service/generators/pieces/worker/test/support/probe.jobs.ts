import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { jobs } from '../../src/jobs.ts'
import { enqueue, job, schedule, type Job, type JobKind } from '../../src/platform/jobs/jobs.ts'
import { jobWorker } from '../../src/platform/jobs/worker.ts'
import type { Worker } from '../../src/platform/lifecycle/workers.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { route, type Route } from '../../src/platform/http/route.ts'

const Input = z.object({ seconds: z.number().min(0).max(60) })
const Query = z.object({
  seconds: z.coerce.number().default(0),
  kind: z.enum(['probe', 'probe-hasty', 'probe-unlucky']).default('probe'),
  deadline: z.enum(['inherit']).optional(),
  /** Seconds that the transaction goes on after the job was enqueued, and how it ends. */
  hold: z.coerce.number().default(0),
  end: z.enum(['commit', 'rollback']).default('commit'),
})

const kinds: readonly JobKind<typeof Input>[] = [
  { name: 'probe', input: Input, timeoutMs: 60_000 },
  { name: 'probe-hasty', input: Input, timeoutMs: 300 },
  { name: 'probe-unlucky', input: Input, timeoutMs: 60_000, maxAttempts: 2 },
]

/** Replaces src/jobs.ts: the service's jobs, and the jobs of the guarantees. */
export function jobsWorker(platform: Platform): Worker {
  return jobWorker(platform, [...jobs(platform), ...probeJobs(platform)], { concurrency: 4 })
}

/** Jobs that wait inside Postgres for as long as their input says, and a schedule for every minute. */
function probeJobs({ db, log }: Platform): Job[] {
  return [
    ...kinds.map((kind) =>
      job(kind, async (ctx, { seconds }) => {
        if (kind.name === 'probe-unlucky') throw new Error('no luck')
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${seconds}) as asleep`))
      }),
    ),
    schedule({ name: 'probe-minutely', cron: '* * * * *', timeoutMs: 60_000 }, async (ctx, dueAt) => {
      log.info(ctx, 'tick', { dueAt })
    }),
  ]
}

/** `POST /probe/jobs` enqueues one. */
export function probeJobRoutes({ db }: Platform): Route[] {
  return [
    route({
      method: 'POST',
      path: '/probe/jobs',
      summary: 'Enqueues a job in a transaction',
      tags: ['probe'],
      query: Query,
      responses: { 202: { description: 'Enqueued' } },
      handle: async (ctx, { query }) => {
        const { seconds, hold, end, deadline } = query
        const kind = kinds.find(({ name }) => name === query.kind)
        const id = await db.transaction(ctx, async (q, ctx) => {
          if (kind === undefined) throw new Error(`no kind ${query.kind}`)
          const id = await enqueue(ctx, q, kind, { seconds }, deadline && { deadline })
          if (hold > 0) await q.execute(sql`select pg_sleep(${hold})`)
          if (end === 'rollback') throw new Error('rolled back')
          return id
        })
        return Response.json({ id }, { status: 202 })
      },
    }),
  ]
}
