/** The events that a service may get, and what may happen to the service meanwhile. */
import { randomUUID } from 'node:crypto'
import { headers } from '@nats-io/transport-node'
import { jetstream } from '@nats-io/jetstream'
import { describe, expect, test } from 'vitest'
import { attributesOf, partitionOf, subjectOf } from '../../src/platform/events/event.ts'
import { keyBeside, startBroker } from '../support/broker.ts'
import { eventually, running } from '../support/client.ts'
import { anotherHandler, effects, outcome, parked, send, start, type } from '../support/handling.ts'
import { asOperator, makeStream, refuse } from '../support/operator.ts'
import { startCollector } from '../support/otlp.ts'
import { startProxy, type Link } from '../proofs/support/proxy.ts'
import { shared, type LogLine } from '../support/service.ts'

/** Several starts of the service, on a busy machine. */
const slow = { timeout: 120_000 }

// For the tests that end neither.
const started = shared(async (t) => ({ t, ...(await start(t)) }))

test('a parked event that is dropped frees its key', async () => {
  const { broker, service } = started()
  const poison = await send(broker, 'dropped', 'fail')
  await send(broker, 'dropped', 'behind')
  await service.line(outcome('parked', poison))
  await send(broker, 'dropped', 'last')

  expect(await parked(service, 'drop', poison)).toContain('1 event')
  expect(await parked(service, 'drop', poison)).toContain('0 events')

  await eventually(async () => (await effects(service, 'dropped')).length === 2)
  expect(await effects(service, 'dropped')).toEqual(['behind', 'last'])
  expect(await parked(service)).not.toContain(poison)
})

test('SIGTERM: events that end within the drain are handled, and no others are begun', slow, async (t) => {
  const { broker, service } = await start(t)
  // Four are handled at the same time: one more waits in the process, one more in the broker.
  const [waiting = '', ...keys] = keysInPartitions(5)
  for (const key of keys) await send(broker, key, 'sleep 2')
  await eventually(async () => (await running(service, 'as asleep')) === 4)
  await send(broker, waiting, 'waiting')
  await send(broker, keys[0] ?? '', 'next')

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  for (const key of keys) expect(await effects(service, key), key).toEqual(['sleep 2'])
  expect(await effects(service, waiting)).toEqual([])
  anotherHandler(t, service, broker)
  await eventually(async () => (await effects(service, waiting)).length === 1, 30_000)
  await eventually(async () => (await effects(service, keys[0])).length === 2, 30_000)
})

test('an event that is sent while the service is down is handled after its start', slow, async (t) => {
  const { broker, service } = await start(t)
  await service.line(outcome('handled', await send(broker, 'a', 'before')))
  service.signal('SIGTERM')
  expect(await service.exited).toEqual({ code: 0, signal: null })

  const id = await send(broker, 'a', 'after')

  const restarted = anotherHandler(t, service, broker)
  expect(await restarted.line(outcome('handled', id))).toMatchObject({ attempt: 1 })
})

test('two instances keep the order of a key', slow, async (t) => {
  const { broker, service } = await start(t)
  const other = anotherHandler(t, service, broker)
  await other.line(({ msg }) => msg.includes('connected to the broker'))
  const texts = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? `sleep 0.${n + 1}` : String(n)))

  for (const text of texts) await send(broker, 'a', text)

  await eventually(async () => (await effects(service)).length === texts.length, 30_000)
  expect(await effects(service)).toEqual(texts)
  const handled = (process: { readonly log: readonly LogLine[] }) =>
    process.log.some(({ msg }) => msg === 'event')
  expect([service, other].map(handled)).toEqual([true, true])
})

test(
  'kill -9: another instance handles the event once, and the events behind it after it',
  slow,
  async (t) => {
    const { broker, service } = await start(t)
    await send(broker, 'a', 'sleep 3')
    await send(broker, 'a', 'next')
    await eventually(async () => (await running(service, 'as asleep')) === 1)
    const other = anotherHandler(t, service, broker)

    service.signal('SIGKILL')

    await other.line(({ msg }) => msg === 'event')
    await eventually(async () => (await effects(service)).length === 2, 15_000)
    expect(await effects(service)).toEqual(['sleep 3', 'next'])
  },
)

test('while the broker is away the service serves and is ready; then it handles events again', async (t) => {
  const { broker, service } = await start(t)
  await send(broker, 'a', 'before')
  await eventually(async () => (await effects(service)).length === 1)

  await broker.kill()
  await service.line(({ msg }) => msg.includes('no broker'))
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
  await broker.start()

  await send(broker, 'a', 'after')
  await eventually(async () => (await effects(service)).length === 2, 15_000)
})

test('each attempt has a trace of its own, linked to the publisher’s, and the request’s id and principal', async (t) => {
  const collector = await startCollector(t)
  const { broker, service } = await start(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  })
  const publisher = '0af7651916cd43dd8448eb211c80319c'
  const sent = {
    traceparent: `00-${publisher}-b7ad6b7169203331-01`,
    'x-request-id': 'request-7',
    principal: 'user%207',
  }
  const id = await broker.send(type, 'a', { key: 'a', text: 'who' }, { headers: sent })

  const line = await service.line(outcome('handled', id))
  const found = () => collector.spans.find(({ name }) => name === `process ${type}`)
  await collector.until(() => found() !== undefined)

  expect(line).toMatchObject({ requestId: 'request-7', publishedIn: publisher, traceId: found()?.traceId })
  expect(found()).toMatchObject({
    parentSpanId: '',
    links: [{ traceId: publisher, spanId: 'b7ad6b7169203331' }],
  })
  const statement = collector.spans.find(({ attributes }) =>
    String(attributes['db.query.text']).includes('insert into effects'),
  )
  expect(await effects(service)).toEqual(['user 7'])
  expect(statement?.traceId).toBe(found()?.traceId)
  // A worker that polls for held events makes no traces of its polls.
  const statements = collector.spans.filter(({ attributes }) => 'db.query.text' in attributes)
  expect(
    statements.filter(({ parentSpanId }) => parentSpanId === '').map(({ attributes }) => attributes),
  ).toEqual([])
})

test(
  'an event that waits for its turn in one instance is not delivered to another, however long it waits',
  slow,
  async (t) => {
    const { broker, service } = await start(t)
    const [key = '', ...busy] = keysInPartitions(5)
    for (const one of busy) await send(broker, one, 'sleep 8')
    await eventually(async () => (await running(service, 'as asleep')) === 4)
    await send(broker, key, 'first')
    const { manager } = await asOperator(t, broker)
    const name = `mainstem-service-${type}-${partitionOf(key)}`
    await eventually(async () => (await manager.consumers.info(type, name)).num_ack_pending === 1)
    const other = anotherHandler(t, service, broker)
    await other.line(({ msg }) => msg.includes('connected to the broker'))
    await send(broker, key, 'second')

    await eventually(async () => (await effects(service, key)).length === 2, 20_000)

    expect(await effects(service, key)).toEqual(['first', 'second'])
    const duplicates = [...service.log, ...other.log].filter((line) => line['outcome'] === 'duplicate')
    expect(duplicates).toEqual([])
  },
)

describe('a message that cannot be handled is parked with its cause, and delays no other', () => {
  const invalid = Buffer.from([0x22, 0xff, 0x22])
  const long = 'x'.repeat(5_000)
  const cases: readonly (readonly [string, Record<string, string>, Buffer | string, string])[] = [
    ['data that are not JSON', {}, 'no JSON', 'this service cannot read the data: '],
    ['data without a field', {}, '{"key":"a"}', 'text: is required'],
    ['no data', {}, '', 'this service cannot read the data'],
    ['data with a NUL', {}, '{"key":"\0"}', 'not UTF-8 text'],
    ['data that are not UTF-8', {}, invalid, 'not UTF-8 text'],
    ['another version of CloudEvents', { 'ce-specversion': '7' }, '{}', 'ce-specversion'],
    ['no id', { 'ce-id': '' }, '{}', 'ce-id: must have 1 to 512 bytes'],
    ['a long id', { 'ce-id': long }, '{}', 'ce-id: must have 1 to 512 bytes'],
    ['a long key', { 'ce-partitionkey': long }, '{}', 'ce-partitionkey: must have'],
    ['a key with a NUL', { 'ce-partitionkey': '%00' }, '{}', 'ce-partitionkey: must have'],
    ['a key that is not encoded', { 'ce-partitionkey': '%' }, '{}', 'ce-partitionkey'],
    ['another type', { 'ce-type': 'other-v1' }, '{}', 'ce-type'],
    ['a time that is none', { 'ce-time': 'noon' }, '{}', 'ce-time'],
    ['an error whose message has a NUL', {}, JSON.stringify({ key: 'a', text: 'nul' }), 'no luck ab'],
    ['a string that is thrown', {}, JSON.stringify({ key: 'a', text: 'string' }), 'Error: a string'],
    ['an error with a long message', {}, JSON.stringify({ key: 'a', text: `fail ${long}` }), 'no luck xxx'],
  ]
  test.each(cases)('%s', async (what, more, data, cause) => {
    const { broker, service } = started()
    const { connection } = await asOperator(started().t, broker)
    const key = `bad ${what}`
    const all = headers()
    const envelope = { id: randomUUID(), type, key, source: '/test', time: new Date().toISOString() }
    for (const [name, value] of Object.entries({ ...attributesOf(envelope), ...more })) all.set(name, value)

    await jetstream(connection).publish(subjectOf(type, partitionOf(key)), data, { headers: all })
    const good = await send(broker, keyBeside(key, 'same partition'), 'good')

    await service.line(outcome('handled', good))
    await eventually(async () => (await parked(service)).includes(cause), 20_000)
    await service.sql('delete from events.held')
  })
})

test('an event without a time has the time at which the broker got it', async () => {
  const { broker, service } = started()
  const { connection } = await asOperator(started().t, broker)
  const all = headers()
  const id = randomUUID()
  const envelope = { id, type, key: 'timeless', source: '/test', time: '' }
  for (const [name, value] of Object.entries(attributesOf(envelope))) if (value !== '') all.set(name, value)
  const data = JSON.stringify({ key: 'timeless', text: 'x' })

  await jetstream(connection).publish(subjectOf(type, partitionOf('timeless')), data, { headers: all })

  await service.line(outcome('handled', id))
})

test(
  'a handler that never ends, or swallows its cancel, is abandoned at its timeout and delays only its key',
  slow,
  async () => {
    const { broker, service } = started()
    const forever = await send(broker, 'endless', 'forever')
    const swallowed = await send(broker, 'swallowing', 'swallow')
    const other = await send(broker, keyBeside('endless', 'other partition'), 'other')
    await service.line(outcome('handled', other))

    await service.line(outcome('failed', forever))
    await service.line(outcome('failed', swallowed))

    expect(service.log.find(outcome('failed', forever))).toMatchObject({ cause: 'DeadlineExceeded' })
    expect(await running(service, 'as asleep')).toBe(0)
    expect(await effects(service, 'swallowing')).toEqual([])
    await service.line(outcome('parked', forever))
  },
)

test('events that are replayed are handled in their order, once, however often', async () => {
  const { broker, service } = started()
  const poison = await send(broker, 'again', 'fail')
  const texts = Array.from({ length: 10 }, (_, n) => String(n))
  for (const text of texts) await send(broker, 'again', text)
  await service.line(outcome('parked', poison))
  await service.sql(`update events.held set data = replace(data, 'fail', 'mended') where id = $1`, [poison])

  await Promise.all([parked(service, 'replay', poison), parked(service, 'replay', '--all')])

  await eventually(async () => (await effects(service, 'again')).length === 11, 20_000)
  expect(await effects(service, 'again')).toEqual(['mended', ...texts])
  expect(await service.sql(`select from events.held where key = 'again'`)).toEqual([])
})

test('an event that crashes the process each time is parked, and delays only its key', slow, async (t) => {
  const { broker, service } = await start(t)
  await send(broker, 'a', 'first')
  await eventually(async () => (await effects(service)).length === 1)
  service.signal('SIGTERM')
  await service.exited
  const id = await send(broker, 'a', 'exit')
  for (let n = 0; n < 5; n++) await refuse(broker, `mainstem-service-${type}-${partitionOf('a')}`, type)
  const beside = keyBeside('a', 'same partition')
  await send(broker, beside, 'other')

  for (let n = 0; n < 2; n++) {
    const { exited } = anotherHandler(t, service, broker)
    expect(await exited).toEqual({ code: 7, signal: null })
    // In place of waiting for the lease.
    await service.sql('update events.held set due_at = now() where attempts > 0')
  }
  const last = anotherHandler(t, service, broker)
  await eventually(async () => (await effects(service, beside)).length === 1, 20_000)

  await last.line(outcome('parked', id))
  expect(await parked(service)).toContain('none ended')
  expect(await effects(service)).toEqual(['first'])
})

test('a stop gives back a held event that is tried, and the attempt does not count', slow, async (t) => {
  const { broker, service } = await start(t, { SHUTDOWN_DRAIN_MS: '100' })
  const id = await send(broker, 'a', 'flaky')
  await service.line(outcome('failed', id))
  await service.sql(`update events.held set data = replace(data, 'flaky', 'sleep 8')`)
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(await service.sql('select attempts, due_at <= now() as due from events.held')).toEqual([
    { attempts: 1, due: true },
  ])
})

test('two instances try a held event once', slow, async (t) => {
  const { broker, service } = await start(t)
  const other = anotherHandler(t, service, broker)
  await other.line(({ msg }) => msg.includes('connected to the broker'))
  const ids = await Promise.all(['a', 'b', 'c', 'd'].map((key) => send(broker, key, 'fail')))

  await eventually(async () => {
    const lines = [...service.log, ...other.log].filter((line) => line['outcome'] === 'parked')
    return lines.length === ids.length
  }, 20_000)

  const outcomes = [...service.log, ...other.log].flatMap((line) =>
    line.msg === 'event' ? [line['outcome']] : [],
  )
  expect(outcomes.sort()).toEqual([...ids.map(() => 'failed'), ...ids.map(() => 'parked')])
})

test('while a hundred thousand events are held, the broker keeps the others', slow, async (t) => {
  const { broker, service } = await start(t)
  await service.sql(
    `insert into events.held (type, id, key, headers, data, attempts, due_at)
    select $1, n::text, 'full', '{}', '{}', 0, case when n > 1 then 'infinity'::timestamptz end
    from generate_series(1, 100000) as n`,
    [type],
  )
  await service.sql('select pg_sleep(6)')

  const id = await send(broker, 'a', 'kept')
  await service.line(({ msg }) => msg.includes('100000 events probe-v1 are held'))
  expect(await service.sql('select from effects')).toEqual([])
  await service.sql('truncate events.held')

  await service.line(outcome('handled', id))
})

test('a database that turns read-only and back: events wait, and are handled', slow, async (t) => {
  const { broker, service } = await start(t)
  await send(broker, 'a', 'before')
  await eventually(async () => (await effects(service)).length === 1)
  const readOnly = (how: string) =>
    service.sql(`do $$ begin execute format('alter database %I ${how}', current_database()); end $$`)
  await readOnly('set default_transaction_read_only = on')
  await service.sql(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`)

  const id = await send(broker, 'a', 'meanwhile')
  await service.line(({ msg }) => msg.includes('wait for the database'))
  await readOnly('reset default_transaction_read_only')
  await service.sql(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`)

  await service.line(outcome('handled', id))
  expect(await effects(service)).toEqual(['before', 'meanwhile'])
})

test('an instance that hangs in a handler does not block its key for the others', slow, async (t) => {
  const { broker, service } = await start(t)
  await send(broker, 'a', 'sleep 1')
  await send(broker, 'a', 'next')
  await eventually(async () => (await running(service, 'as asleep')) === 1)
  const other = anotherHandler(t, service, broker)

  service.signal('SIGSTOP')

  await other.line(({ msg, outcome }) => msg === 'event' && outcome === 'handled')
  await eventually(async () => (await effects(service)).length === 2, 40_000)
  expect(await effects(service)).toEqual(['sleep 1', 'next'])
  service.signal('SIGCONT')
  await service.line(({ msg }) => msg === 'event')
  expect(await effects(service)).toEqual(['sleep 1', 'next'])
})

test('an event that gets no connection to the database has not failed', slow, async (t) => {
  const { broker, service } = await start(t)
  service.signal('SIGTERM')
  await service.exited
  const proxy = await startProxy(t, service.databaseUrl)
  const behind = anotherHandler(t, { ...service, databaseUrl: proxy.url }, broker)
  await behind.line(({ msg }) => msg === 'consumers: connected to the broker')
  const known = new WeakSet<Link>()
  let dialled = 0
  proxy.toServer = (link) => {
    if (known.has(link)) return undefined
    known.add(link)
    // Every other connection fails: that of an attempt, and not the one that records the failure.
    if (dialled++ % 2 === 0) link.cut()
    return undefined
  }

  for (let n = 0; n < 20; n++) {
    for (const link of proxy.links) link.cut()
    await behind.line(outcome('handled', await send(broker, `key ${n}`, 'x')))
  }

  expect(behind.log.filter(({ msg, outcome }) => msg === 'event' && outcome !== 'handled')).toEqual([])
})

test('a mark is kept for exactly a day longer than the stream keeps the event', slow, async (t) => {
  const broker = await startBroker(t)
  const keep = (days: number) => makeStream(broker, type, { max_age: days * 86_400e9 })
  await keep(30)
  const { service } = await start(t, {}, broker)
  await service.sql(
    `insert into events.handled (type, id, at)
    select $1, days::text, now() - make_interval(days => days) from unnest(array[1, 9, 30, 32]) as days`,
    [type],
  )
  const marks = async () =>
    (await service.sql('select id from events.handled order by at desc')).map(({ id }) => id).join()
  const connectAgain = async () => {
    await broker.kill()
    await broker.start()
  }

  await connectAgain()
  await eventually(async () => (await marks()) === '1,9,30', 20_000)
  // The test's own client may not be connected again yet.
  await eventually(() =>
    keep(7).then(
      () => true,
      () => false,
    ),
  )
  await connectAgain()
  await eventually(async () => (await marks()) === '1', 20_000)
})

test(
  'held events that are tried are among the four that an instance handles at the same time',
  slow,
  async (t) => {
    const { broker, service } = await start(t)
    await service.sql(
      `insert into events.held (type, id, key, headers, data, attempts, due_at)
    select $1, key, key, '{"ce-time":"2026-01-01T00:00:00Z"}', json_build_object('key', key, 'text', 'sleep 2'), 1, now()
    from unnest(array['w', 'x', 'y', 'z']) as key`,
      [type],
    )
    for (const key of keysInPartitions(4)) await send(broker, key, 'sleep 2')

    const events = () => service.log.filter(({ msg }) => msg === 'event')
    await eventually(() => Promise.resolve(events().length === 8), 30_000)
    const attempts = events().map(({ time, durationMs }) => {
      const end = new Date(String(time)).getTime()
      return { from: end - Number(durationMs), end }
    })
    // How many are under way when one begins. The log has only milliseconds, so an event that is about to end does not count.
    const atOnce = attempts.map(
      ({ from }) => attempts.filter((one) => one.from <= from && from + 100 < one.end).length,
    )
    expect(Math.max(...atOnce)).toBe(4)
  },
)

test('SIGTERM: an event that is given back is delivered to another instance at once', slow, async (t) => {
  const { broker, service } = await start(t, { SHUTDOWN_DRAIN_MS: '100' })
  const id = await send(broker, 'a', 'sleep 9')
  await eventually(async () => (await running(service, 'as asleep')) === 1)
  const other = anotherHandler(t, service, broker)
  await other.line(({ msg }) => msg === 'consumers: connected to the broker')

  service.signal('SIGTERM')

  const givenBack = await service.line(outcome('given back', id))
  const handled = await other.line(outcome('handled', id))
  const at = ({ time }: LogLine) => new Date(String(time)).getTime()
  // Without a message from the first instance, the broker would wait for three to five seconds.
  expect(at(handled) - Number(handled['durationMs']) - at(givenBack)).toBeLessThan(2_500)
})

/** Keys in as many different partitions. */
function keysInPartitions(count: number): string[] {
  const keys = new Map<number, string>()
  for (let n = 0; keys.size < count; n++) keys.set(partitionOf(`key-${n}`), `key-${n}`)
  return [...keys.values()]
}
