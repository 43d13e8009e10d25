/**
 * The telemetry of the pieces follows OpenTelemetry's conventions: messages
 * (https://opentelemetry.io/docs/specs/semconv/messaging/) and calls of other services
 * (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span).
 */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  expectKnownNames,
  ownNames,
  startJsonCollector,
  type Metric,
  type Received,
  type Span,
} from '../proofs/support/conventions.ts'
import { startBroker } from '../support/broker.ts'
import { eventually, open } from '../support/client.ts'
import { audience, startIssuer } from '../support/issuer.ts'
import { startPeer } from '../support/peer.ts'
import { publish } from '../support/publishing.ts'
import { shared, startService, type RunningService, type RunningTest } from '../support/service.ts'

/** Our own names, for things that the conventions do not cover: those of every service, and those of the pieces. */
const own = new RegExp(`${ownNames.source}|^(?:events?|idempotency|job|rate_limit|widget)\\.`)

const [client, producer, consumer] = [3, 4, 5]
const aText: unknown = expect.any(String)
const aNumber: unknown = expect.any(Number)
const aPartition: unknown = expect.stringMatching(/^[0-7]$/)
const hex = (digits: number): unknown => expect.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`))

/** All that the pieces export, once each of them has worked and has failed. */
const exported = shared(async (t) => {
  const received = await startJsonCollector(t)
  const broker = await startBroker(t)
  const issuer = await startIssuer()
  t.onTestFinished(() => issuer.close())
  const service = await startService(t, {
    probe: true,
    env: {
      BROKER_URL: broker.url,
      AUTH: 'required',
      AUTH_ISSUER: issuer.url,
      AUTH_AUDIENCE: audience,
      OTEL_EXPORTER_OTLP_ENDPOINT: received.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    },
  })
  await service.sql('create table effects (number serial, key text, text text); create sequence tries')
  await service.sql('create table payments (id serial, amount float8)')
  const caller = { authorization: `Bearer ${await issuer.sign()}` }
  await callOthers(t, service, caller)
  await work(service, caller)
  const lag = () => 'events.consumer.lag' in received.metrics && 'events.consumer.held' in received.metrics
  await eventually(async () => lag() && spansNamed(received, 'process probe-v1').length >= 3, 30_000)
  await eventually(async () => pointsOf(received.metrics['messaging.process.duration'], 'parked').length > 0)
  return { received, service, broker: Number(new URL(broker.url).port) }
})

type Headers = Readonly<Record<string, string>>

/** Makes the service call a peer that answers, one that refuses and one that is away, and fetch the keys of its issuer. */
async function callOthers(t: RunningTest, { url }: RunningService, headers: Headers): Promise<void> {
  const peer = await startPeer(t, (response) => {
    response.writeHead(response.req.url?.startsWith('/nothing') === true ? 404 : 200).end('{}')
  })
  const relay = (to: string) => fetch(`${url}/probe/relay?to=${encodeURIComponent(to)}`, { headers })
  expect((await relay(`${peer.url}/accounts?page=2&token=a-secret`)).status).toBe(200)
  expect((await relay(`${peer.url}/nothing`)).status).toBe(502)
  expect((await relay('http://127.0.0.1:9/')).status).toBe(503)
  expect((await fetch(`${url}/probe/principal`, { headers })).status).toBe(200)
}

/** Jobs, one of them by the clock, and events, of both kinds some that fail; and what counts requests. */
async function work(service: RunningService, caller: Headers): Promise<void> {
  const post = async (path: string, body?: object, more: Headers = {}): Promise<number> => {
    const headers = { 'content-type': 'application/json', ...caller, ...more }
    const init = { method: 'POST', headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    return (await fetch(service.url + path, init)).status
  }
  const ran = (job: string, outcome: string) =>
    service.line((line) => line.msg === 'job' && line['job'] === job && line['outcome'] === outcome)
  for (const kind of ['probe', 'probe-unlucky']) expect(await post(`/probe/jobs?kind=${kind}`)).toBe(202)
  await service.sql(
    `select graphile_worker.add_job('probe-minutely', '{"_cron":{"ts":"2026-01-01T00:00:00Z"}}')`,
  )
  await Promise.all([ran('probe', 'done'), ran('probe-unlucky', 'failed'), ran('probe-minutely', 'done')])

  const ids = [
    await publish(service, 'key=a&text=well', caller),
    await publish(service, 'key=b&text=fail', caller),
  ]
  for (const [id, outcome] of [
    [ids[0], 'handled'],
    [ids[1], 'failed'],
    [ids[1], 'parked'],
  ])
    await service.line((line) => line['eventId'] === id && line['outcome'] === outcome)

  expect(await post('/probe/payments', { amount: 1 }, { 'idempotency-key': 'one' })).toBe(201)
  expect((await fetch(`${service.url}/probe/limited/memory`, { headers: caller })).status).toBe(200)
  const feed = open(`${service.url}/probe/events?bytes=1&everyMs=10`, 'GET', caller)
  await eventually(async () =>
    (await (await fetch(`${service.adminUrl}/metrics`)).text()).includes('events_clients '),
  )
  feed.hangUp()
}

function spansNamed({ spans }: Received, name: string): readonly Span[] {
  return spans.filter((span) => span.name === name)
}

function pointsOf(metric: Metric | undefined, outcome: string): Metric['points'] {
  return metric?.points.filter((point) => point['event.outcome'] === outcome) ?? []
}

test('every name is one of the conventions, and none is deprecated', () => {
  expectKnownNames(exported().received, own)
})

describe('messages', () => {
  let received: Received
  let server: Record<string, unknown>
  beforeAll(() => {
    received = exported().received
    server = { 'server.address': '127.0.0.1', 'server.port': exported().broker }
  })
  const operation = (system: string, name: string, destination: string) => ({
    'messaging.system.name': system,
    'messaging.operation.name': name,
    'messaging.operation.type': name,
    'messaging.destination.name': destination,
  })

  test('a sent event is a span of a producer, and counted', () => {
    const attributes = { ...operation('nats', 'send', 'probe-v1'), ...server }
    const spans = spansNamed(received, 'send probe-v1')
    expect(spans).toHaveLength(2)
    for (const span of spans)
      expect(span).toMatchObject({
        kind: producer,
        attributes: {
          ...attributes,
          'messaging.message.id': aText,
          'messaging.destination.partition.id': aPartition,
        },
      })
    expect(received.metrics['messaging.client.sent.messages']).toEqual({
      instrument: 'counter',
      unit: '{message}',
      points: [attributes],
    })
  })

  test('a handled event is a span of a consumer, and measured; one that fails has an error.type', () => {
    const attributes = operation('nats', 'process', 'probe-v1')
    const spans = spansNamed(received, 'process probe-v1')
    for (const { kind, attributes: its } of spans)
      expect({ kind, ...its }).toMatchObject({
        kind: consumer,
        ...attributes,
        'messaging.message.id': aText,
        'messaging.destination.partition.id': aPartition,
      })
    // A second try is from the database.
    const delivered = spans.filter(({ attributes: its }) => its['event.attempt'] === 1)
    for (const { attributes: its } of delivered) expect(its).toMatchObject(server)
    const failed = spans.filter(({ attributes: its }) => its['error.type'] === 'Error')
    expect(failed).toMatchObject([{ status: { code: 2 } }, { status: { code: 2 } }])

    const metric = received.metrics['messaging.process.duration']
    expect(metric).toMatchObject({ instrument: 'histogram', unit: 's' })
    expect(pointsOf(metric, 'handled')).toEqual([{ ...attributes, ...server, 'event.outcome': 'handled' }])
    const error = { 'error.type': 'Error' }
    expect(pointsOf(metric, 'failed')).toEqual([
      { ...attributes, ...server, ...error, 'event.outcome': 'failed' },
    ])
    expect(pointsOf(metric, 'parked')).toEqual([{ ...attributes, ...error, 'event.outcome': 'parked' }])
  })

  test.each([
    ['probe', undefined],
    ['probe-unlucky', 'Error'],
    ['probe-minutely', undefined],
  ])('a run of the job %s is a span of a consumer, and measured', (job, errorType) => {
    const attributes = operation('graphile_worker', 'process', job)
    const [span] = spansNamed(received, `process ${job}`)
    expect(span).toMatchObject({
      kind: consumer,
      attributes: { ...attributes, 'messaging.message.id': aText },
    })
    expect(span?.attributes['error.type']).toBe(errorType)
    expect(received.metrics['messaging.process.duration']?.points).toContainEqual({
      ...attributes,
      ...(errorType !== undefined && { 'error.type': errorType }),
    })
  })
})

describe('calls of other services', () => {
  const calls = (path: string) =>
    spansNamed(exported().received, 'GET').filter(({ attributes }) =>
      String(attributes['url.full']).includes(path),
    )

  test.each([
    ['an answer', '/accounts', { 'http.response.status_code': 200 }],
    ['a refusal', '/nothing', { 'http.response.status_code': 404, 'error.type': '404' }],
    ['no answer', ':9/', { 'error.type': 'connection', 'server.port': 9 }],
    ['the keys of the issuer', '/jwks', { 'http.response.status_code': 200 }],
  ])('%s: a span of a client, and a point of the metric', (_, path, wanted) => {
    const [span] = calls(path)
    const about = { 'http.request.method': 'GET', 'server.address': '127.0.0.1', ...wanted }
    expect(span).toMatchObject({ kind: client, attributes: { ...about, 'server.port': aNumber } })

    const metric = exported().received.metrics['http.client.request.duration']
    expect(metric).toMatchObject({ instrument: 'histogram', unit: 's' })
    const port = span?.attributes['server.port']
    expect(metric?.points).toContainEqual({ ...about, 'server.port': port })
  })

  test('url.full is the whole URL, without what may be a secret', () => {
    const [span] = calls('/accounts')
    expect(span?.attributes['url.full']).toMatch(
      /^http:\/\/127\.0\.0\.1:\d+\/accounts\?page=2&token=REDACTED$/,
    )
  })
})

test("the pieces' own metrics have the instrument and the unit that their names say", () => {
  const { metrics } = exported().received
  const kinds = Object.entries(metrics).map(([name, { instrument, unit }]) => [
    name,
    `${instrument} ${String(unit)}`,
  ])
  expect(Object.fromEntries(kinds)).toMatchObject({
    'events.broker.connected': 'gauge ',
    'events.clients': 'updowncounter {client}',
    'events.consumer.held': 'gauge {message}',
    'events.consumer.lag': 'gauge {message}',
    'events.consumer.parked': 'gauge {message}',
    'events.outbox.delay': 'histogram s',
    'events.outbox.oldest': 'gauge s',
    'events.outbox.waiting': 'gauge {message}',
    'events.redelivered': 'counter {message}',
    'idempotency.requests': 'counter {request}',
    'rate_limit.requests': 'counter {request}',
  })
})

test('a line of the log about a request, a job or an event names its trace and its error in the same way', () => {
  const { log } = exported().service
  for (const msg of ['request', 'job', 'event']) {
    const lines = log.filter((line) => line.msg === msg)
    expect(lines.length, msg).toBeGreaterThan(0)
    for (const line of lines) {
      expect(line).toMatchObject({
        traceId: hex(32),
        spanId: hex(16),
        durationMs: aNumber,
      })
      if (msg !== 'request') expect(line).toMatchObject({ outcome: aText, attempt: aNumber })
      if (line['outcome'] === 'failed') expect(line).toMatchObject({ err: { type: 'Error', stack: aText } })
    }
  }
})
