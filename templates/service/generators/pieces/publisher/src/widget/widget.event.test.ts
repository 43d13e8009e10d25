import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { startBroker } from '../../test/support/broker.ts'
import { eventually } from '../../test/support/client.ts'
import { openOwnDatabase } from '../../test/support/database.ts'
import { startService } from '../../test/support/service.ts'
import { publishWidget } from './widget.event.ts'

const data = { id: randomUUID(), text: 'abc' }

test('the event widget is sent if its transaction commits, and only then', async (t) => {
  const broker = await startBroker(t)
  const service = await startService(t, { env: { BROKER_URL: broker.url } })
  const { ctx, db } = await openOwnDatabase(t, service)
  const rolledBack = db.transaction(ctx, async (q, ctx) => {
    await publishWidget(ctx, q, data)
    throw new Error('rolled back')
  })
  await expect(rolledBack).rejects.toThrow('rolled back')

  const id = await db.transaction(ctx, (q, ctx) => publishWidget(ctx, q, data))

  await eventually(async () => (await service.sql('select from events.outbox')).length === 0)
  const events = await broker.events('widget-v1')
  expect(events.map(({ headers, data }) => ({ id: headers['ce-id'], data }))).toEqual([{ id, data }])
})

test('the event widget with too long a text is refused before it is published', async (t) => {
  const service = await startService(t)
  const { ctx, db } = await openOwnDatabase(t, service)

  const published = db.run(ctx, (q) => publishWidget(ctx, q, { ...data, text: 'x'.repeat(201) }))

  await expect(published).rejects.toThrow('text')
  expect(await service.sql('select from events.outbox')).toEqual([])
})

test('/asyncapi.json has the event widget', async (t) => {
  const service = await startService(t)

  const document = await (await fetch(`${service.url}/asyncapi.json`)).text()

  expect(document).toContain('"widget-v1"')
})
