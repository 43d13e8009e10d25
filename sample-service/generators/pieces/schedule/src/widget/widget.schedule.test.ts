import { expect, test } from 'vitest'
import { startService } from '../../test/support/service.ts'

test('the worker knows the schedule widget and runs it for the minute that was due', async (t) => {
  const service = await startService(t)
  const dueAt = '2000-01-01T03:00:00.000Z'

  // The payload that the worker enqueues when the minute has come.
  const payload = JSON.stringify({ _cron: { ts: dueAt, backfilled: false } })
  await service.sql('select graphile_worker.add_job($1, $2::json)', ['widget', payload])

  const line = await service.line(({ msg, job }) => msg === 'job' && job === 'widget')
  expect(line).toMatchObject({ outcome: 'done', attempt: 1 })
  expect(await service.line(({ msg }) => msg === 'widget')).toMatchObject({ dueAt })
  const known = await service.sql('select identifier from graphile_worker._private_known_crontabs')
  expect(known).toContainEqual({ identifier: 'widget' })
})
