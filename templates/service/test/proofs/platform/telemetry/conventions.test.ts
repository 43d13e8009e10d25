/**
 * Promise: Spans and metrics have the names that OpenTelemetry's conventions give them, and what the conventions require.
 * Go: go.opentelemetry.io/otel/semconv
 * Held by: src/platform/http/span.ts, src/platform/database/observed.ts, src/platform/telemetry/metrics.ts
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { json } from 'node:stream/consumers'
import { expect, test, type TestContext } from 'vitest'
import { eventually } from '../../../support/client.ts'
import { startService } from '../../../support/service.ts'

/** The names that the conventions define, and of those the deprecated ones. Read from the types that are made of their model. */
function model(kind: 'METRIC' | 'ATTR'): { known: Set<string>; deprecated: Set<string> } {
  const folder = dirname(createRequire(import.meta.url).resolve('@opentelemetry/semantic-conventions'))
  const known = new Set<string>()
  const deprecated = new Set<string>()
  for (const part of ['stable', 'experimental']) {
    const file = join(folder, `${part}_${kind === 'ATTR' ? 'attributes' : 'metrics'}.d.mts`)
    const declared = /(\/\*\*(?:(?!\*\/)[^])*\*\/)\s*declare const (\w+): "([^"]+)"/g
    for (const [, comment = '', constant = '', name = ''] of readFileSync(file, 'utf8').matchAll(declared)) {
      if (!constant.startsWith(`${kind}_`)) continue
      known.add(name)
      if (comment.includes('@deprecated')) deprecated.add(name)
    }
  }
  return { known, deprecated }
}

/** Names of our own, for what the conventions do not know. */
const own = /^(context|db\.client\.cancel|db\.client\.connection\.refus|log\.lines|process\.heap\.limit)/

/** What the conventions require, or recommend and a collector's reviewer asks for. */
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

test('what a request exports is named as the conventions name it, and has what they require', async (t) => {
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
  const attributes = model('ATTR')
  const metrics = model('METRIC')
  expect(attributes.known.size).toBeGreaterThan(500)

  const ok = await fetch(`${service.url}/probe/query?seconds=0&token=a-secret&api%5fkey=another`)
  const late = await fetch(`${service.url}/probe/query?seconds=30`)

  expect([ok.status, late.status]).toEqual([200, 504])
  await eventually(
    async () => 'v8js.memory.heap.used' in received.metrics && received.statements().length >= 2,
  )

  for (const name of Object.keys(received.metrics)) {
    if (!own.test(name)) expect(metrics.known, name).toContain(name)
    expect(metrics.deprecated, name).not.toContain(name)
  }
  const used = [
    ...received.spans.map((span) => span.attributes),
    received.resource,
    ...Object.values(received.metrics).flat(),
  ]
  for (const name of new Set(used.flatMap((each) => Object.keys(each)))) {
    if (!own.test(name)) expect(attributes.known, name).toContain(name)
    expect(attributes.deprecated, name).not.toContain(name)
  }

  expect(Object.keys(received.resource)).toEqual(expect.arrayContaining(required.resource))
  for (const [name, wanted] of Object.entries(required.metrics))
    for (const point of received.metrics[name] ?? [{}])
      expect(Object.keys(point), name).toEqual(expect.arrayContaining([...wanted]))
  const server = received.spans.find((span) => span.attributes['http.route'] === '/probe/query')
  expect(Object.keys(server?.attributes ?? {})).toEqual(expect.arrayContaining(required.server))
  expect(server?.attributes['url.query']).toBe('seconds=0&token=REDACTED&api%5fkey=REDACTED')
  for (const statement of received.statements())
    expect(Object.keys(statement.attributes)).toEqual(expect.arrayContaining(required.statement))
  const timedOut = received.statements().find((span) => span.attributes['error.type'] === 'DeadlineExceeded')
  expect(timedOut?.status).toMatchObject({ code: 2 })
})

interface Span {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: unknown
}

/** A collector for OTLP in JSON that keeps the attributes of all that it receives. */
async function startJsonCollector(t: TestContext) {
  const spans: Span[] = []
  const metrics: Record<string, Record<string, unknown>[]> = {}
  let resource: Record<string, unknown> = {}
  const server = createServer((request, response) => {
    json(request).then(
      (body) => {
        visit(body)
        response.setHeader('content-type', 'application/json').end('{}')
      },
      (error: unknown) => response.writeHead(400).end(String(error)),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })

  function visit(node: unknown): void {
    if (Array.isArray(node)) node.forEach(visit)
    if (!isRecord(node) || Array.isArray(node)) return
    if (isRecord(node['resource'])) resource = attributesOf(node['resource'])
    if ('traceId' in node && 'kind' in node)
      spans.push({ attributes: attributesOf(node), status: node['status'] })
    if ('name' in node && 'unit' in node) {
      const data = [node['sum'], node['gauge'], node['histogram']].find(isRecord)
      const points = (data?.['dataPoints'] ?? []) as unknown[]
      metrics[String(node['name'])] = points.filter(isRecord).map(attributesOf)
      return
    }
    Object.values(node).forEach(visit)
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    get resource() {
      return resource
    },
    statements: () => spans.filter((span) => String(span.attributes['db.query.text']).includes('pg_sleep')),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function attributesOf(node: Record<string, unknown>): Record<string, unknown> {
  const list = (node['attributes'] ?? []) as { key: string; value: object }[]
  return Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0] as unknown]))
}
