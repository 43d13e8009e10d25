/**
 * Promise: A published event reaches the broker once, in the order of its key, if and only if its transaction commits.
 * Go: an outbox table, written in the `sql.Tx` of the request, and a relay
 * Held by: src/platform/events/outbox.ts, src/platform/events/relay.ts, src/platform/events/broker.ts
 */
import { expect, test } from 'vitest'
import { startBroker } from '../support/broker.ts'
import { eventually, open, running } from '../support/client.ts'
import { publish, textsOf, waiting } from '../support/publishing.ts'
import { shared, startService } from '../support/service.ts'

// For the tests that end neither.
const started = shared(async (t) => {
  const broker = await startBroker(t)
  return { broker, service: await startService(t, { probe: true, env: { BROKER_URL: broker.url } }) }
})

test('an event is sent after its commit, and not after a rollback or a hang-up', async () => {
  const { broker, service } = started()
  const left = open(`${service.url}/probe/events?hold=30`, 'POST')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  expect((await open(`${service.url}/probe/events?key=b&end=rollback`, 'POST').answer).status).toBe(500)

  left.hangUp()
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  const id = await publish(service, 'key=b&text=hello')

  await eventually(async () => (await waiting(service)) === 0)
  const events = await broker.events('probe-v1')
  expect(events.map(({ headers }) => headers['ce-id'])).toEqual([id])
  expect(events[0]?.data).toEqual({ key: 'b', text: 'hello' })
})

test('while the broker is away the service serves and is ready, and the events wait; then all are sent in order', async (t) => {
  const broker = await startBroker(t)
  const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url } })
  await publish(service, 'text=0')
  await eventually(async () => (await waiting(service)) === 0)
  await broker.kill()

  const texts = Array.from({ length: 20 }, (_, n) => String(n + 1))
  for (const text of texts) await publish(service, `text=${text}`)

  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
  expect(await waiting(service)).toBe(20)
  await broker.start()
  await eventually(async () => (await waiting(service)) === 0, 20_000)
  expect((await textsOf(broker)).slice(1)).toEqual(texts)
})
