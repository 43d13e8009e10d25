/**
 * Promise: A published event reaches the broker if its transaction commits, and only then: in the order of its key, once.
 * Go: an outbox table, written in the `sql.Tx` of the request, and a relay
 * Held by: src/platform/events/outbox.ts, src/platform/events/relay.ts, src/platform/events/broker.ts
 */
import { expect, test } from 'vitest'
import { startBroker } from '../support/broker.ts'
import { eventually, open, running } from '../support/client.ts'
import { startCollector } from '../support/otlp.ts'
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

test('it is a CloudEvent with the trace and the request that published it, below the request in one trace', async (t) => {
  const [broker, collector] = [await startBroker(t), await startCollector(t)]
  const env = {
    BROKER_URL: broker.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  }
  const service = await startService(t, { probe: true, env })

  const id = await publish(service, 'key=%C3%A4&caller=user%207', { 'x-request-id': 'request-7' })

  await eventually(async () => (await waiting(service)) === 0)
  const [event] = await broker.events('probe-v1')
  expect(event?.headers).toMatchObject({
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-type': 'probe-v1',
    'ce-source': '/mainstem-service',
    'ce-partitionkey': '%C3%A4',
    'content-type': 'application/json',
    'x-request-id': 'request-7',
    principal: 'user%207',
  })
  const found = (name: string) => collector.spans.find((span) => span.name === name)
  await collector.until(
    () => found('send probe-v1') !== undefined && found('POST /probe/events') !== undefined,
  )
  const [request, send] = ['POST /probe/events', 'send probe-v1'].map(found)
  expect(send).toMatchObject({ traceId: request?.traceId, parentSpanId: request?.spanId })
  expect(event?.headers['traceparent']).toBe(`00-${send?.traceId}-${send?.spanId}-01`)
  // A worker that looks for events makes no traces of its looks.
  expect(
    collector.spans.filter(({ parentSpanId, name }) => parentSpanId === '' && name.includes('events')),
  ).toEqual([expect.objectContaining({ name: 'POST /probe/events' })])
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
