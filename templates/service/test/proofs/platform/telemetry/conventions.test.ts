/**
 * Promise: Spans and metrics have the names that OpenTelemetry's conventions give them, and what the conventions require.
 * Go: go.opentelemetry.io/otel/semconv
 * Held by: src/platform/http/span.ts, src/platform/database/observed.ts, src/platform/telemetry/metrics.ts
 */
import { expect, test } from 'vitest'
import { eventually } from '../../../support/client.ts'
import { startService } from '../../../support/service.ts'
import { expectKnownNames, model, ownNames, startJsonCollector } from '../../support/conventions.ts'

/** What the conventions require, and what they recommend and reviewers expect. */
const required = {
  resource: ['service.name', 'service.version', 'service.instance.id', 'telemetry.sdk.language'],
  server: [
    'http.request.method',
    'http.response.status_code',
    'http.route',
    'server.address',
    'server.port',
    'url.path',
    'url.query',
    'url.scheme',
  ],
  statement: [
    'db.namespace',
    'db.operation.name',
    'db.query.text',
    'db.system.name',
    'server.address',
    'server.port',
  ],
  metrics: {
    'http.server.request.duration': [
      'http.request.method',
      'http.response.status_code',
      'http.route',
      'url.scheme',
    ],
    'db.client.operation.duration': ['db.namespace', 'db.operation.name', 'db.system.name', 'server.address'],
    'db.client.connection.count': ['db.client.connection.pool.name', 'db.client.connection.state'],
    'v8js.memory.heap.used': ['v8js.heap.space.name'],
  } as Readonly<Record<string, readonly string[]>>,
}

test('the telemetry of a request has the names and the attributes that the conventions require', async (t) => {
  const received = await startJsonCollector(t)
  const service = await startService(t, {
    probe: true,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: received.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      REQUEST_TIMEOUT_MS: '1000',
    },
  })
  expect(model('ATTR').known.size).toBeGreaterThan(500)

  const statements = () =>
    received.spans.filter(({ attributes }) => String(attributes['db.query.text']).includes('pg_sleep'))

  const ok = await fetch(`${service.url}/probe/query?seconds=0&token=a-secret&api%5fkey=another`)
  const late = await fetch(`${service.url}/probe/query?seconds=30`)

  expect([ok.status, late.status]).toEqual([200, 504])
  await eventually(async () => 'v8js.memory.heap.used' in received.metrics && statements().length >= 2)

  expectKnownNames(received, ownNames)

  expect(Object.keys(received.resource)).toEqual(expect.arrayContaining(required.resource))
  for (const [name, wanted] of Object.entries(required.metrics))
    for (const point of received.metrics[name]?.points ?? [{}])
      expect(Object.keys(point), name).toEqual(expect.arrayContaining([...wanted]))
  const server = received.spans.find((span) => span.attributes['http.route'] === '/probe/query')
  expect(Object.keys(server?.attributes ?? {})).toEqual(expect.arrayContaining(required.server))
  expect(server?.attributes['url.query']).toBe('seconds=0&token=REDACTED&api%5fkey=REDACTED')
  for (const statement of statements())
    expect(Object.keys(statement.attributes)).toEqual(expect.arrayContaining(required.statement))
  const timedOut = statements().find((span) => span.attributes['error.type'] === 'DeadlineExceeded')
  expect(timedOut?.status).toMatchObject({ code: 2 })
})
