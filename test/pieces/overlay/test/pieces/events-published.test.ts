/** What may happen to a service that publishes events, and to its broker. */
import { DiscardPolicy } from '@nats-io/jetstream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publish as publishEvent } from '../../src/platform/events/outbox.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { eventually, open, running } from '../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import { asOperator, makeStream } from '../support/operator.ts'
import { startCollector } from '../support/otlp.ts'
import { probeEvent } from '../support/probe.events.ts'
import { publish, textsOf, waiting } from '../support/publishing.ts'
import { startProcess, startService, type RunningService } from '../support/service.ts'
import { startSlowLink } from '../support/slow-link.ts'

/** Two starts of the service, on a busy machine. */
const slow = { timeout: 90_000 }

// For the tests that end neither.
const cleanups: (() => Promise<void>)[] = []
let broker: TestBroker
let service: RunningService
beforeAll(async () => {
  const t = { onTestFinished: (fn: () => Promise<void>) => cleanups.push(fn) }
  broker = await startBroker(t)
  service = await startService(t, { probe: true, env: { BROKER_URL: broker.url } })
})
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
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
  // A worker that polls for events makes no traces of its polls.
  expect(
    collector.spans.filter(({ parentSpanId, name }) => parentSpanId === '' && name.includes('events')),
  ).toEqual([expect.objectContaining({ name: 'POST /probe/events' })])
})

test('an event that the broker refuses delays only its key, until the broker accepts it', async (t) => {
  const broker = await startBroker(t)
  await makeStream(broker, 'probe-v1', { max_msg_size: 1_000 })
  const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url } })

  // Both are in one batch.
  await service.sql(`insert into events.outbox (id, type, key, headers, data)
    select gen_random_uuid(), 'probe-v1', 'a', '{}', json_build_object('key', 'a', 'text', text)
    from unnest(array[repeat('x', 1000), 'behind']) as text`)
  const line = await service.line(({ msg }) => msg === 'outbox: events wait')
  // The worker's looks have no trace, so the line names none, not even one of zeros.
  expect(line).not.toHaveProperty('traceId')
  await publish(service, 'key=b&text=other')

  await eventually(async () => (await waiting(service)) === 2)
  expect(await textsOf(broker)).toEqual(['other'])
  await makeStream(broker, 'probe-v1', { max_msg_size: -1 })
  await eventually(async () => (await waiting(service)) === 0, 20_000)
  expect((await textsOf(broker)).slice(1)).toEqual(['x'.repeat(1_000), 'behind'])
})

test('transactions on one key that overlap are sent in the order of their commits', async () => {
  const before = (await textsOf(broker)).length
  const slow = publish(service, 'key=a&text=first&hold=1')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  await Promise.all([slow, publish(service, 'key=a&text=second'), publish(service, 'key=b&text=other')])

  await eventually(async () => (await waiting(service)) === 0)
  expect((await textsOf(broker)).slice(before)).toEqual(['other', 'first', 'second'])
})

test('kill -9 and a second instance: committed events are sent once', slow, async (t) => {
  const broker = await startBroker(t)
  const env = { BROKER_URL: broker.url }
  const service = await startService(t, { probe: true, env })
  const other = startProcess(t, {
    probe: true,
    env: { ...env, DATABASE_URL: service.databaseUrl, UPLOAD_DIR: service.uploadDir },
  })
  await other.line(({ msg }) => msg === 'listening')
  const ids: string[] = []
  const clients = Promise.allSettled(
    Array.from({ length: 4 }, async (_, client) => {
      for (;;) ids.push(await publish(service, `key=${client}`))
    }),
  )
  await eventually(async () => ids.length > 50, 15_000)

  service.signal('SIGKILL')

  await clients
  await eventually(async () => (await waiting(service)) === 0)
  const sent = (await broker.events('probe-v1')).map(({ headers }) => headers['ce-id'])
  expect(new Set(sent).size).toBe(sent.length)
  expect(ids.filter((id) => !sent.includes(id))).toEqual([])
})

test('SIGTERM: events that were committed are sent after the restart', slow, async (t) => {
  const broker = await startBroker(t)
  const env = { BROKER_URL: broker.url }
  const service = await startService(t, { probe: true, env })
  await publish(service, 'text=1')
  await eventually(async () => (await waiting(service)) === 0)
  await broker.kill()
  await publish(service, 'text=2')

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  await broker.start()
  startProcess(t, { env: { ...env, DATABASE_URL: service.databaseUrl, UPLOAD_DIR: service.uploadDir } })
  await eventually(async () => (await waiting(service)) === 0, 20_000)
  expect(await textsOf(broker)).toEqual(['1', '2'])
})

test('/asyncapi.json has the events of the service', async () => {
  const response = await fetch(`${service.url}/asyncapi.json`)

  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ asyncapi: '3.0.0', channels: {} })
})

test('an event whose deletion fails after the broker has it is sent again, and the broker drops it', async (t) => {
  const broker = await startBroker(t)
  const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url } })
  await publish(service, 'text=0')
  await eventually(async () => (await waiting(service)) === 0)
  const blocker = await service.connect()
  await blocker.query(`create function hold() returns trigger language plpgsql as $$ begin
    perform pg_sleep(30) as deleting; return old; end $$`)
  await blocker.query(
    'create trigger hold before delete on events.outbox for each row execute function hold()',
  )

  await publish(service, 'text=1')
  await eventually(async () => (await running(service, 'delete from events.outbox')) === 1)
  expect(await textsOf(broker)).toEqual(['0', '1'])
  await blocker.query('select pg_terminate_backend(pid) from pg_stat_activity where query like $1', [
    'delete from events.outbox%',
  ])
  await blocker.query('drop function hold cascade')

  await eventually(async () => (await waiting(service)) === 0, 15_000)
  expect(await textsOf(broker)).toEqual(['0', '1'])
})

describe('an event that could not be sent is refused before the commit', () => {
  test.each([
    ['a long key', `key=${'k'.repeat(513)}`],
    ['an empty key', 'key='],
    ['a key with a NUL', 'key=%00'],
  ])('%s', async (_what, query) => {
    const before = service.log.length
    const { status } = await open(`${service.url}/probe/events?${query}`, 'POST').answer

    expect(status).toBe(500)
    const said = () =>
      JSON.stringify(service.log.slice(before)).includes('must have 1 to 512 bytes, and no NUL')
    await eventually(() => Promise.resolve(said()))
    expect(await waiting(service)).toBe(0)
  })

  test('more than 512 KiB of data', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const publishing = db.run(ctx, (q) =>
      publishEvent(ctx, q, probeEvent, { key: 'a', text: 'x'.repeat(512 * 1024) }),
    )

    await expect(publishing).rejects.toThrow(
      'the event probe-v1 has 524309 bytes of data, but at most 524288 are allowed',
    )
  })
})

test(
  'a broker that answers slowly gets the events of one key, a part of them in each transaction',
  slow,
  async (t) => {
    const broker = await startBroker(t)
    const link = await startSlowLink(t, Number(new URL(broker.url).port), 60)
    const service = await startService(t, { probe: true, env: { BROKER_URL: link.url } })
    await publish(service, 'text=first')
    await service.sql(`insert into events.outbox (id, type, key, headers, data)
    select gen_random_uuid(), 'probe-v1', 'a', '{}', json_build_object('key', 'a', 'text', n::text)
    from generate_series(1, 300) as n`)

    await eventually(async () => (await waiting(service)) === 0, 60_000)

    expect((await textsOf(broker)).slice(1)).toEqual(Array.from({ length: 300 }, (_, n) => String(n + 1)))
  },
)

test(
  'a broker that is full gets the events when it has room, in order, though hundreds of keys wait',
  slow,
  async (t) => {
    const broker = await startBroker(t)
    await makeStream(broker, 'probe-v1', { max_msgs: 1, discard: DiscardPolicy.New })
    const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url } })
    await publish(service, 'text=0')
    await eventually(async () => (await waiting(service)) === 0)
    await service.sql(`insert into events.outbox (id, type, key, headers, data)
    select gen_random_uuid(), 'probe-v1', 'k' || n % 700, '{}', json_build_object('key', 'k' || n % 700, 'text', n::text)
    from generate_series(1, 1400) as n`)
    await service.line(({ msg }) => msg === 'outbox: events wait')
    expect(await waiting(service)).toBe(1_400)

    await makeStream(broker, 'probe-v1', { max_msgs: -1 })

    await eventually(async () => (await waiting(service)) === 0, 60_000)
    const texts = (await textsOf(broker)).map(Number)
    for (let key = 1; key <= 700; key++) expect(texts.indexOf(key)).toBeLessThan(texts.indexOf(key + 700))
  },
)

test('a broker that has lost its store gets a new stream, and the events that waited', slow, async (t) => {
  const broker = await startBroker(t)
  const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url } })
  await publish(service, 'text=lost')
  await eventually(async () => (await waiting(service)) === 0)
  await broker.kill()
  await publish(service, 'text=kept')

  await broker.start('empty')

  await eventually(async () => (await waiting(service)) === 0, 20_000)
  expect(await textsOf(broker)).toEqual(['kept'])
})

test('large events are handed over a few at a time: together they would not fit', slow, async (t) => {
  const broker = await startBroker(t)
  const env = { BROKER_URL: broker.url, NODE_OPTIONS: '--max-old-space-size=100' }
  const service = await startService(t, { probe: true, env })
  const { manager } = await asOperator(t, broker)
  await service.sql(`insert into events.outbox (id, type, key, headers, data)
    select gen_random_uuid(), 'probe-v1', 'k' || n % 10, '{}',
      json_build_object('key', 'k' || n % 10, 'text', n || repeat('x', 500000))
    from generate_series(1, 400) as n`)

  await eventually(async () => (await waiting(service)) === 0, 60_000)

  expect((await manager.streams.info('probe-v1')).state.messages).toBe(400)
})

test('an instance that hangs while it hands events over does not block the others', slow, async (t) => {
  const broker = await startBroker(t)
  const link = await startSlowLink(t, Number(new URL(broker.url).port), 60)
  const service = await startService(t, { probe: true, env: { BROKER_URL: link.url } })
  await publish(service, 'text=0')
  await eventually(async () => (await waiting(service)) === 0, 20_000)
  await service.sql(`insert into events.outbox (id, type, key, headers, data)
    select gen_random_uuid(), 'probe-v1', 'a', '{}', json_build_object('key', 'a', 'text', n::text)
    from generate_series(1, 50) as n`)
  const { manager } = await asOperator(t, broker)
  await eventually(async () => (await manager.streams.info('probe-v1')).state.messages > 1)

  service.signal('SIGSTOP')

  const { databaseUrl, uploadDir } = service
  const env = { BROKER_URL: broker.url, DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir }
  startProcess(t, { probe: true, env })
  await eventually(async () => (await waiting(service)) === 0, 40_000)
  expect(await textsOf(broker)).toEqual(Array.from({ length: 51 }, (_, n) => String(n)))
})

test('/metrics has the number of waiting events, and the age of the oldest', async (t) => {
  const broker = await startBroker(t)
  const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url } })
  await broker.kill()
  for (let n = 0; n < 3; n++) await publish(service, 'text=x')

  const value = async (name: string) => {
    const text = await (await fetch(`${service.adminUrl}/metrics`)).text()
    return Number(new RegExp(`^${name}(?:{.*})? (.+)$`, 'm').exec(text)?.[1])
  }
  await eventually(async () => (await value('events_outbox_waiting')) === 3, 10_000)
  expect(await value('events_outbox_oldest_seconds')).toBeGreaterThan(0)
})
