import { expect, test } from 'vitest'
import { eventually, open, running } from '../../test/support/client.ts'
import { openOwnDatabase } from '../../test/support/database.ts'
import { another, startService, type LogLine, type RunningService } from '../../test/support/service.ts'
import { enqueueWidget } from './widget.job.ts'

test('the job widget is done if its transaction commits, and only then', async (t) => {
  const service = await startService(t)
  const { ctx, db } = await openOwnDatabase(t, service)
  const rolledBack = db.transaction(ctx, async (q, ctx) => {
    await enqueueWidget(ctx, q, { text: 'abc' })
    throw new Error('rolled back')
  })
  await expect(rolledBack).rejects.toThrow('rolled back')

  const id = await db.transaction(ctx, (q, ctx) => enqueueWidget(ctx, q, { text: 'abc' }))

  await service.line(done)
  expect(service.log.filter(done).map(({ jobId }) => jobId)).toEqual([id])
})

test('the job widget with too long a text is refused before it is enqueued', async (t) => {
  const service = await startService(t)
  const { ctx, db } = await openOwnDatabase(t, service)

  const enqueued = db.run(ctx, (q) => enqueueWidget(ctx, q, { text: 'x'.repeat(201) }))

  await expect(enqueued).rejects.toThrow('text')
  expect(await service.sql('select from graphile_worker.jobs')).toEqual([])
})

test('the job widget, cancelled by a shutdown, is done after the restart', async (t) => {
  // The service has one connection: all other work waits for it.
  const env = { DATABASE_POOL_MAX: '1', SHUTDOWN_DRAIN_MS: '0' }
  const service = await startService(t, { probe: true, env })
  open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  const { ctx, db } = await openOwnDatabase(t, service)
  await db.run(ctx, (q) => enqueueWidget(ctx, q, { text: 'abc' }))
  await eventually(async () => (await locked(service)) === 1)

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(await another(t, service).line(done)).toMatchObject({ attempt: 1 })
})

function done({ msg, job, outcome }: LogLine): boolean {
  return msg === 'job' && job === 'widget' && outcome === 'done'
}

/** How many jobs are running. */
async function locked(service: RunningService): Promise<number> {
  const rows = await service.sql('select from graphile_worker.jobs where locked_by is not null')
  return rows.length
}
