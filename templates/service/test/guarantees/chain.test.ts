import { expect, test, type TestContext } from 'vitest'
import { eventually, open, running } from '../support/client.ts'
import { startCollector, type ReceivedSpan } from '../support/otlp.ts'
import { startService, type RunningService } from '../support/service.ts'

/** Two services: what is asked of the first, it asks of the second. */
interface Chain {
  readonly first: RunningService
  readonly second: RunningService
  /** The URL at the first whose answer is that of `path` at the second. */
  through(path: string): string
}

async function startChain(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<Chain> {
  const [first, second] = await Promise.all([
    startService(t, { probe: true, env }),
    startService(t, { probe: true, env: { ...env, REQUEST_TIMEOUT_MS: '60000' } }),
  ])
  return {
    first,
    second,
    through: (path) => `${first.url}/probe/relay?to=${encodeURIComponent(second.url + path)}`,
  }
}

test('a client of the first that hangs up takes the statement of the second with it', async (t) => {
  const { first, second, through } = await startChain(t)
  const request = open(through('/probe/query?seconds=30'), 'GET', { 'x-request-id': 'left-us-both' })
  await eventually(async () => (await running(second, 'pg_sleep')) === 1)

  request.hangUp()

  const ms = await eventually(async () => (await running(second, 'pg_sleep')) === 0)
  expect(ms).toBeLessThan(1_000)
  for (const service of [first, second]) {
    const line = await service.line((entry) => entry['requestId'] === 'left-us-both')
    expect(line).toMatchObject({ msg: 'request', status: 499, cause: 'ClientDisconnected' })
  }
})

test('the deadline of the first, less what it used, is that of the second', async (t) => {
  const { through } = await startChain(t, { REQUEST_TIMEOUT_MS: '15000' })
  const sentAt = Date.now()

  const response = await fetch(through('/probe/deadline'), {
    headers: { 'x-envoy-expected-rq-timeout-ms': '3000' },
  })

  const { sent, deadline } = (await response.json()) as { sent: string; deadline: number }
  const used = 3_000 - Number(sent)
  expect(used).toBeGreaterThan(0)
  expect(used).toBeLessThanOrEqual(Date.now() - sentAt + 1)
  expect(deadline).toBeLessThanOrEqual(Date.now() + 3_000 - used)
})

test('a deadline that passes is a 504 of both, and the second does not outlive the first', async (t) => {
  const { first, second, through } = await startChain(t, { REQUEST_TIMEOUT_MS: '1500' })

  const response = await fetch(through('/probe/query?seconds=30'), { headers: { 'x-request-id': 'late' } })

  expect(response.status).toBe(504)
  await eventually(async () => (await running(second, 'pg_sleep')) === 0, 1_000)
  // The second hears of it by its own deadline or by the first's hanging up, whichever is sooner.
  const line = await second.line((entry) => entry['requestId'] === 'late')
  expect(line['cause']).toMatch(/^(DeadlineExceeded|ClientDisconnected)$/)
  expect(line['durationMs']).toBeLessThanOrEqual(1_800)
  expect((await first.line((entry) => entry['requestId'] === 'late'))['status']).toBe(504)
})

test('it is one trace: the second’s request hangs from the first’s call, and there is one root', async (t) => {
  const collector = await startCollector(t)
  const { first, second, through } = await startChain(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRICS_EXPORTER: 'none',
  })
  expect((await fetch(through('/probe/query?seconds=0'))).status).toBe(200)
  for (const service of [first, second]) {
    service.signal('SIGTERM')
    expect(await service.exited).toEqual({ code: 0, signal: null })
  }

  const root = spanNamed(collector.spans, 'GET /probe/relay')
  const spans = collector.spans.filter(({ traceId }) => traceId === root.traceId)
  const request = spanNamed(spans, 'GET /probe/query')
  const call = spanNamed(spans, 'GET')
  const statement = spans.find((span) => String(span.attributes['db.query.text']).includes('pg_sleep'))
  expect(root.parentSpanId).toBe('')
  expect(call).toMatchObject({ kind: 3, parentSpanId: root.spanId })
  expect(request.parentSpanId).toBe(call.spanId)
  expect(statement?.parentSpanId).toBe(request.spanId)
  expect(spans.filter(({ parentSpanId }) => parentSpanId === '')).toEqual([root])
})

test.for([
  ['fails', '/probe/failure', 502, /answered 500/],
  ['refuses', '/nowhere', 502, /answered 404/],
] as const)(
  'a second that %s is a %s of the first; its log says why, its client learns nothing',
  async (row, t) => {
    const [, path, status, reason] = row
    const { first, second, through } = await startChain(t)

    const response = await fetch(through(path), { headers: { 'x-request-id': 'failed' } })

    expect(response.status).toBe(status)
    expect(await response.text()).not.toContain(new URL(second.url).host)
    const line = await first.line((entry) => entry['requestId'] === 'failed')
    expect(line).toMatchObject({ status, err: { type: 'CallFailed' } })
    expect(JSON.stringify(line)).toMatch(reason)
  },
)

test('a second that is gone, or is shutting down, is a 503 of the first: try again later', async (t) => {
  const { first, second, through } = await startChain(t)
  second.signal('SIGTERM')
  await second.exited

  const response = await fetch(through('/livez'), { headers: { 'x-request-id': 'alone' } })

  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('1')
  const line = await first.line((entry) => entry['requestId'] === 'alone')
  expect(JSON.stringify(line)).toContain('ECONNREFUSED')
})

function spanNamed(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const span = spans.find((each) => each.name === name)
  if (span === undefined)
    throw new Error(`no span is named ${name}: ${spans.map((each) => each.name).join(', ')}`)
  return span
}
