import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { startBroker } from '../../test/support/broker.ts'
import { another, startService, type LogLine } from '../../test/support/service.ts'

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
  expect(parked?.['error']).toContain('not what this service reads')
})

test('the event widget that was sent while the service was down is handled after its start', async (t) => {
  const broker = await startBroker(t)
  const env = { BROKER_URL: broker.url }
  const service = await startService(t, { env })
  await broker.send('widget-v1', data.id, data)
  await service.line(outcome('handled'))
  service.signal('SIGTERM')
  expect(await service.exited).toEqual({ code: 0, signal: null })

  const id = await broker.send('widget-v1', data.id, data)

  const restarted = another(t, service, { env })
  expect(await restarted.line(outcome('handled'))).toMatchObject({ eventId: id, attempt: 1 })
})

function outcome(expected: string) {
  return (line: LogLine): boolean =>
    line.msg === 'event' && line['event'] === 'widget-v1' && line['outcome'] === expected
}
