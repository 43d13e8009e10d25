/**
 * Promise: The spans of one request are one tree, and record how it ended.
 * Go: `ctx, span := tracer.Start(ctx, name); defer span.End()`
 * Held by: src/platform/telemetry/span.ts, src/platform/http/span.ts, src/platform/telemetry/telemetry.ts
 */
import { expect, test, type TestContext } from 'vitest'
import { eventually, open, running } from '../support/client.ts'
import { startCollector, type Collector, type ReceivedSpan } from '../support/otlp.ts'
import { startService, type RunningService } from '../support/service.ts'

const serverKind = 2

async function start(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<{ collector: Collector; service: RunningService }> {
  const collector = await startCollector(t)
  const service = await startService(t, {
    probe: true,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'none',
      ...env,
    },
  })
  return { collector, service }
}

/** Stops the service, which flushes, and returns the spans of `traceId`. */
async function traceOf(
  service: RunningService,
  collector: Collector,
  traceId: string,
): Promise<ReceivedSpan[]> {
  service.signal('SIGTERM')
  expect(await service.exited).toEqual({ code: 0, signal: null })
  return collector.spans.filter((span) => span.traceId === traceId)
}

/** The spans whose parent is neither in `spans` nor ''. */
function orphans(spans: readonly ReceivedSpan[]): ReceivedSpan[] {
  const known = new Set(['', ...spans.map((span) => `${span.traceId} ${span.spanId}`)])
  return spans.filter(
    (span) => span.parentSpanId !== '' && !known.has(`${span.traceId} ${span.parentSpanId}`),
  )
}

/** A trace id that a caller may send, and the header that sends it. */
function caller(n: number): { traceId: string; headers: Record<string, string> } {
  const traceId = n.toString(16).padStart(32, 'a')
  return { traceId, headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } }
}

test('fifty concurrent requests are fifty trees, each with its own statement, and a stop flushes them', async (t) => {
  const { collector, service } = await start(t)
  const requests = Array.from({ length: 50 }, () => fetch(`${service.url}/probe/query?seconds=0.05`))
  for (const response of await Promise.all(requests)) expect(response.status).toBe(200)

  service.signal('SIGTERM')
  await service.exited

  const roots = collector.spans.filter((span) => span.name === 'GET /probe/query')
  expect(roots).toHaveLength(50)
  expect(new Set(roots.map((root) => root.traceId)).size).toBe(50)
  for (const root of roots) {
    const tree = collector.spans.filter((span) => span.traceId === root.traceId)
    expect(root).toMatchObject({ kind: serverKind, parentSpanId: '' })
    expect(root.attributes).toMatchObject({ 'http.route': '/probe/query', 'http.response.status_code': 200 })
    expect(tree.filter((span) => span.parentSpanId === '')).toEqual([root])
    const statements = tree.filter((span) => String(span.attributes['db.query.text']).includes('pg_sleep'))
    expect(statements).toHaveLength(1)
    expect(orphans(tree)).toEqual([])
  }
  expect(orphans(collector.spans)).toEqual([])
})

test('spans are exported by the default protocol', async (t) => {
  const { collector, service } = await start(t, { OTEL_EXPORTER_OTLP_PROTOCOL: '' })
  expect((await fetch(`${service.url}/livez`)).status).toBe(200)

  service.signal('SIGTERM')
  await service.exited

  expect(collector.requests).toContain('POST /v1/traces application/x-protobuf')
  expect(service.log.filter(({ msg }) => msg.startsWith('telemetry:'))).toEqual([])
})

test('the trace of the caller continues, and the log has its id', async (t) => {
  const { collector, service } = await start(t)
  const { traceId, headers } = caller(1)
  await fetch(`${service.url}/probe/query?seconds=0`, { headers: { ...headers, 'x-request-id': 'traced' } })
  const line = await service.line((entry) => entry.msg === 'request' && entry['requestId'] === 'traced')

  const spans = await traceOf(service, collector, traceId)

  const server = spans.find((span) => span.kind === serverKind)
  expect(server?.parentSpanId).toBe('00f067aa0ba902b7')
  expect(line).toMatchObject({ traceId, spanId: server?.spanId })
})

test('a hang-up is 499 with its cause and no error, and the statement has the same cause', async (t) => {
  const { collector, service } = await start(t)
  const { traceId, headers } = caller(2)
  const request = open(`${service.url}/probe/query?seconds=30`, 'GET', headers)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  request.hangUp()
  await service.line((entry) => entry['traceId'] === traceId && entry['status'] === 499)

  const spans = await traceOf(service, collector, traceId)

  const server = spans.find((span) => span.kind === serverKind)
  expect(server).toMatchObject({ name: 'GET /probe/query', status: { code: 0 } })
  expect(server?.attributes).toMatchObject({
    'http.response.status_code': 499,
    'error.type': 'ClientDisconnected',
  })
  expect(server?.events.map((event) => event.name)).toEqual(['context.canceled'])
  const statement = spans.find((span) => String(span.attributes['db.query.text']).includes('pg_sleep'))
  expect(statement?.attributes['error.type']).toBe('ClientDisconnected')
  expect(orphans(spans.map((span) => (span === server ? { ...span, parentSpanId: '' } : span)))).toEqual([])
})

test('a passed deadline is an error with its cause', async (t) => {
  const { collector, service } = await start(t, { REQUEST_TIMEOUT_MS: '200' })
  const { traceId, headers } = caller(3)
  const response = await fetch(`${service.url}/probe/query?seconds=30`, { headers })
  expect(response.status).toBe(504)
  expect(await response.json()).toMatchObject({ traceId })

  const spans = await traceOf(service, collector, traceId)

  const server = spans.find((span) => span.kind === serverKind)
  expect(server?.status.code).toBe(2)
  expect(server?.attributes).toMatchObject({
    'http.response.status_code': 504,
    'error.type': 'DeadlineExceeded',
  })
})

test('a request that a shutdown cancelled is exported with that cause, and so is its statement', async (t) => {
  const { collector, service } = await start(t, { SHUTDOWN_DRAIN_MS: '100' })
  const { traceId, headers } = caller(4)
  const request = open(`${service.url}/probe/query?seconds=30`, 'GET', headers)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  const spans = await traceOf(service, collector, traceId)

  expect((await request.answer).status).toBe(503)
  const server = spans.find((span) => span.kind === serverKind)
  expect(server?.attributes).toMatchObject({
    'http.response.status_code': 503,
    'error.type': 'ServerShutdown',
  })
  const statement = spans.find((span) => String(span.attributes['db.query.text']).includes('pg_sleep'))
  expect(statement).toMatchObject({
    parentSpanId: server?.spanId,
    attributes: { 'error.type': 'ServerShutdown' },
  })
})

test('a collector that is down neither slows the service nor delays its stop', async (t) => {
  const service = await startService(t, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', SHUTDOWN_FLUSH_MS: '500' },
  })
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  const lost = service.log.filter((line) => line.msg.includes('not all was exported'))
  expect(lost).toHaveLength(1)
})
