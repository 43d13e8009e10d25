/**
 * Promise: An event is handled once in effect, in the order of its key; one that fails holds up its key alone, and is parked in the end.
 * Go: a handler `func(ctx, event, tx)` whose writes and inbox row one `sql.Tx` commits, acknowledged after
 * Held by: src/platform/events/inbox.ts, src/platform/events/handle.ts, src/platform/events/held.ts, src/platform/events/retries.ts
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest'
import { partitionOf } from '../../src/platform/events/event.ts'
import { keyBeside, keysInPartitions, startBroker, type TestBroker } from '../support/broker.ts'
import { eventually, liveTree, running } from '../support/client.ts'
import { startCollector } from '../support/otlp.ts'
import {
  startProcess,
  startService,
  type LogLine,
  type RunningService,
  type RunningTest,
  type StartedProcess,
} from '../support/service.ts'

const type = 'probe-v1'

/** Two starts of the service, on a busy machine. */
const slow = { timeout: 90_000 }

// For the tests that end neither.
const cleanups: (() => Promise<void>)[] = []
let shared: Started
beforeAll(async () => {
  shared = await start({ onTestFinished: (fn) => cleanups.push(fn) })
})
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

test('an event that arrives twice is handled once, and its handler runs below the server’s context', async () => {
  const { broker, service } = shared
  const id = await send(broker, 'twice', 'sleep 1')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  const server = (await liveTree(service)).children.find(({ name }) => name === 'server')
  await send(broker, 'twice', 'sleep 1', id)

  expect(JSON.stringify(server)).toContain(`"event ${type}"`)
  await service.line(outcome('duplicate', id))
  expect(await effects(service, 'twice')).toEqual(['sleep 1'])
  await eventually(async () => !JSON.stringify(await liveTree(service)).includes(`"event ${type}"`))
})

test('events of a key are handled in order, and those of other keys at the same time', async () => {
  const { broker, service } = shared
  const [key, texts] = ['ordered', Array.from({ length: 10 }, (_, n) => String(n))]
  await send(broker, key, 'sleep 1')
  for (const text of texts) await send(broker, key, text)
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  const other = await send(broker, keyBeside(key, 'other partition'), 'other')

  await service.line(outcome('handled', other))
  expect(await effects(service, key)).toEqual([])
  await eventually(async () => (await effects(service, key)).length === 11)
  expect(await effects(service, key)).toEqual(['sleep 1', ...texts])
})

test('an event that fails is tried again after a pause, and its key waits for it', async () => {
  const { broker, service } = shared

  const id = await send(broker, 'flaky', 'flaky')
  await service.line(outcome('failed', id))
  const next = await send(broker, 'flaky', 'next')

  await service.line(outcome('handled', next))
  const outcomes = service.log.filter(({ eventId }) => eventId === id).map(({ outcome }) => outcome)
  expect(outcomes).toEqual(['failed', 'handled'])
  expect(service.log.some(outcome('held', next))).toBe(true)
  expect(await effects(service, 'flaky')).toEqual(['flaky', 'next'])
})

test('a poison event is parked with its cause and holds up its key alone; replayed, it is handled in its place', async () => {
  const { broker, service } = shared
  const poison = await send(broker, 'poison', 'fail')
  await send(broker, 'poison', 'behind')
  const other = await send(broker, keyBeside('poison', 'same partition'), 'other')

  await service.line(outcome('parked', poison))
  await service.line(outcome('handled', other))

  expect(await effects(service, 'poison')).toEqual([])
  expect(await parked(service)).toMatch(
    new RegExp(`${poison}.*key poison, 2 attempts, 1 events.*no luck`, 's'),
  )
  await service.sql(`update events.held set data = replace(data, 'fail', 'mended') where id = $1`, [poison])
  expect(await parked(service, 'replay', poison)).toContain('1 event')
  await eventually(async () => (await effects(service, 'poison')).length === 2)
  expect(await effects(service, 'poison')).toEqual(['mended', 'behind'])
})

test('a parked event that is dropped frees its key', async () => {
  const { broker, service } = shared
  const poison = await send(broker, 'dropped', 'fail')
  await send(broker, 'dropped', 'behind')
  await service.line(outcome('parked', poison))

  expect(await parked(service, 'drop', poison)).toContain('1 event')

  await eventually(async () => (await effects(service, 'dropped')).length === 1)
  expect(await effects(service, 'dropped')).toEqual(['behind'])
  expect(await parked(service)).not.toContain(poison)
})

test('what is no CloudEvent is parked, and holds up nothing', async () => {
  const { broker, service } = shared

  await send(broker, 'bad', 'bad', 'bad-1', { 'ce-specversion': '7' })
  await send(broker, 'bad', 'good')

  await eventually(async () => (await effects(service, 'bad')).length === 1)
  expect(await effects(service, 'bad')).toEqual(['good'])
  expect(await parked(service)).toContain('it is no CloudEvent')
})

test(
  'SIGTERM: an event that outlasts the drain is cancelled in Postgres, and handled after the restart',
  slow,
  async (t) => {
    const { broker, service } = await start(t, { SHUTDOWN_DRAIN_MS: '100' })
    const id = await send(broker, 'a', 'sleep 2')
    await eventually(async () => (await running(service, 'as asleep')) === 1)

    service.signal('SIGTERM')

    expect(await service.exited).toEqual({ code: 0, signal: null })
    expect(service.log.find(outcome('given back', id))).toMatchObject({ cause: 'ServerShutdown' })
    expect(await running(service, 'as asleep')).toBe(0)
    expect(await effects(service)).toEqual([])
    const restarted = another(t, service, broker)
    expect(await restarted.line(outcome('handled', id))).toMatchObject({ attempt: 1 })
    expect(await effects(service)).toEqual(['sleep 2'])
  },
)

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
  another(t, service, broker)
  await eventually(async () => (await effects(service, waiting)).length === 1, 30_000)
  await eventually(async () => (await effects(service, keys[0])).length === 2, 30_000)
})

test('two instances keep the order of a key', slow, async (t) => {
  const { broker, service } = await start(t)
  const other = another(t, service, broker)
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
    const other = another(t, service, broker)

    service.signal('SIGKILL')

    await other.line(({ msg }) => msg === 'event')
    await eventually(async () => (await effects(service)).length === 2, 15_000)
    expect(await effects(service)).toEqual(['sleep 3', 'next'])
  },
)

test(
  'an event that was delivered twenty times and never answered is parked before it is tried',
  slow,
  async (t) => {
    const { broker, service } = await start(t)
    await send(broker, 'a', 'first')
    await eventually(async () => (await effects(service)).length === 1)
    service.signal('SIGTERM')
    await service.exited
    const id = await send(broker, 'a', 'deadly')
    const name = `sample-service-${type}-${partitionOf('a')}`
    for (let n = 0; n < 20; n++) await broker.refuse(name, type)

    const restarted = another(t, service, broker)

    await restarted.line(outcome('parked', id))
    expect(await effects(service)).toEqual(['first'])
    expect(await parked(service)).toContain('delivered 20 times and never answered')
  },
)

test('while the broker is away the service serves and is ready; then it goes on', async (t) => {
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
  const id = await send(broker, 'a', 'who', undefined, {
    traceparent: `00-${publisher}-b7ad6b7169203331-01`,
    'x-request-id': 'request-7',
    principal: 'user%207',
  })

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
  // A worker that looks for held events makes no traces of its looks.
  const statements = collector.spans.filter(({ attributes }) => 'db.query.text' in attributes)
  expect(
    statements.filter(({ parentSpanId }) => parentSpanId === '').map(({ attributes }) => attributes),
  ).toEqual([])
})

interface Started {
  readonly broker: TestBroker
  readonly service: RunningService
}

async function start(t: RunningTest, env: Record<string, string> = {}): Promise<Started> {
  const broker = await startBroker(t)
  const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url, ...env } })
  await service.sql('create table effects (number serial, key text, text text); create sequence tries')
  return { broker, service }
}

function send(
  broker: TestBroker,
  key: string,
  text: string,
  id?: string,
  headers?: Record<string, string>,
): Promise<string> {
  return broker.send(type, key, { key, text }, { ...(id && { id }), ...(headers && { headers }) })
}

/** What the handlers have written for the key, in the order of their commits. */
async function effects(service: RunningService, key = 'a'): Promise<unknown[]> {
  const rows = await service.sql('select text from effects where key = $1 order by number', [key])
  return rows.map(({ text }) => text)
}

function outcome(expected: string, id: string) {
  return (line: LogLine): boolean =>
    line.msg === 'event' && line['eventId'] === id && line['outcome'] === expected
}

/** Runs `npm run parked`. @returns what it prints */
async function parked({ databaseUrl }: RunningService, ...args: string[]): Promise<string> {
  const command = ['--import', './scripts/tsx.js', 'scripts/events/parked.ts', ...args]
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  return (await promisify(execFile)(process.execPath, command, { env })).stdout
}

/** One more instance, on the same database. */
function another(
  t: TestContext,
  { databaseUrl, uploadDir }: RunningService,
  broker: TestBroker,
): StartedProcess {
  const env = { DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir, BROKER_URL: broker.url }
  return startProcess(t, { probe: true, env })
}
