import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { startBroker } from '../../test/support/broker.ts'
import { startService, type LogLine } from '../../test/support/service.ts'

const data = { id: randomUUID(), text: 'abc' }

test('the event widget is handled once, however often it arrives', async (t) => {
  const broker = await startBroker(t)
  const service = await startService(t, { env: { BROKER_URL: broker.url } })

  const id = await broker.send('widget-v1', data.id, data)
  await service.line(outcome('handled'))
  await broker.send('widget-v1', data.id, data, { id })

  expect(await service.line(outcome('duplicate'))).toMatchObject({ eventId: id })
  expect(service.log.filter(outcome('handled'))).toHaveLength(1)
})

test('the event widget with other data is parked, and its key waits', async (t) => {
  const broker = await startBroker(t)
  const service = await startService(t, { env: { BROKER_URL: broker.url } })

  await broker.send('widget-v1', data.id, { other: 1 })
  await broker.send('widget-v1', data.id, data)

  await service.line(outcome('held'))
  const [parked] = await service.sql('select * from events.held where due_at is null')
  expect(parked).toMatchObject({ attempts: 1, key: data.id })
  expect(parked?.['error']).toContain('this service cannot read the data')
})

function outcome(expected: string) {
  return (line: LogLine): boolean =>
    line.msg === 'event' && line['event'] === 'widget-v1' && line['outcome'] === expected
}
