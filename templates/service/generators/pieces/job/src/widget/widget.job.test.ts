import { expect, test } from 'vitest'
import { openOwnDatabase } from '../../test/support/database.ts'
import { startService, type LogLine } from '../../test/support/service.ts'
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

function done({ msg, job, outcome }: LogLine): boolean {
  return msg === 'job' && job === 'widget' && outcome === 'done'
}
