/**
 * Promise: A call to another service ends with its request: one hang-up, one deadline, one trace.
 * Go: `http.NewRequestWithContext(ctx, method, url, body)`
 * Held by: src/platform/client/client.ts, src/platform/client/attempt.ts
 */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { eventually, open, running } from '../support/client.ts'
import { startCollector, type ReceivedSpan } from '../support/otlp.ts'
import { sharedService, startService } from '../support/service.ts'

const first = sharedService({ probe: true })
/** Its own deadline is far away, so that only the first service ends its requests. */
const second = sharedService({ probe: true, env: { REQUEST_TIMEOUT_MS: '60000' } })

/** The URL at `first` that returns the answer of `second` for `path`. */
function through(path: string, from = first().url, to = second().url): string {
  return `${from}/probe/relay?to=${encodeURIComponent(to + path)}`
}

test('a client that hangs up on the first service ends the statement of the second', async () => {
  const request = open(through('/probe/query?seconds=30'), 'GET', { 'x-request-id': 'left-us-both' })
  await eventually(async () => (await running(second(), 'pg_sleep')) === 1)

  request.hangUp()

  const ms = await eventually(async () => (await running(second(), 'pg_sleep')) === 0)
  expect(ms).toBeLessThan(1_000)
  for (const service of [first(), second()]) {
    const line = await service.line((entry) => entry['requestId'] === 'left-us-both')
    expect(line).toMatchObject({ msg: 'request', status: 499, cause: 'ClientDisconnected' })
  }
})

test("the second service gets the rest of the first one's deadline", async () => {
  const sentAt = Date.now()

  const response = await fetch(`${through('/probe/deadline')}&afterMs=100`, {
    headers: { 'x-envoy-expected-rq-timeout-ms': '3000' },
  })

  const { sent, deadline } = (await response.json()) as { sent: string; deadline: number }
  const used = 3_000 - Number(sent)
  // Timers may be early by a millisecond.
  expect(used).toBeGreaterThanOrEqual(99)
  expect(used).toBeLessThanOrEqual(Date.now() - sentAt + 1)
  expect(deadline).toBeLessThanOrEqual(Date.now() + 3_000 - used)
})

test('when the deadline passes, both services answer 504, and the second does not outlive the first', async () => {
  const response = await fetch(through('/probe/query?seconds=30'), {
    headers: { 'x-request-id': 'late', 'x-envoy-expected-rq-timeout-ms': '1000' },
  })

  expect(response.status).toBe(504)
  await eventually(async () => (await running(second(), 'pg_sleep')) === 0, 1_000)
  // The second ends at its own deadline or when the first hangs up, whichever is sooner.
  const line = await second().line((entry) => entry['requestId'] === 'late')
  expect(line['cause']).toMatch(/^(DeadlineExceeded|ClientDisconnected)$/)
  expect(line['durationMs']).toBeLessThan(5_000)
  expect((await first().line((entry) => entry['requestId'] === 'late'))['status']).toBe(504)
})

test('a request is one trace: the second’s span is below the first’s call, and there is one root', async (t) => {
  const collector = await startCollector(t)
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRICS_EXPORTER: 'none',
  }
  const [one, other] = await Promise.all([
    startService(t, { probe: true, env }),
    startService(t, { probe: true, env }),
  ])
  expect((await fetch(through('/probe/query?seconds=0', one.url, other.url))).status).toBe(200)
  for (const service of [one, other]) {
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
  { does: 'fails', path: '/probe/failure', said: 'answered 500' },
  { does: 'has no such route', path: '/nowhere', said: 'answered 404' },
])(
  'when the second service $does, the first answers 502, logs the cause, and hides it from its client',
  async (one) => {
    const id = one.path.slice(1)

    const response = await fetch(through(one.path), { headers: { 'x-request-id': id } })

    expect(response.status).toBe(502)
    expect(await response.text()).not.toContain(new URL(second().url).host)
    const line = await first().line((entry) => entry['requestId'] === id)
    expect(line).toMatchObject({ status: 502, err: { type: 'CallFailed' } })
    expect(JSON.stringify(line)).toContain(one.said)
  },
)

test('when the second service is gone, the first answers 503 with Retry-After', async () => {
  const nobody = createServer()
  await once(nobody.listen(0, '127.0.0.1'), 'listening')
  const { port } = nobody.address() as AddressInfo
  nobody.close()

  const response = await fetch(through('/', first().url, `http://127.0.0.1:${port}`), {
    headers: { 'x-request-id': 'alone' },
  })

  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('1')
  const line = await first().line((entry) => entry['requestId'] === 'alone')
  expect(JSON.stringify(line)).toContain('ECONNREFUSED')
})

test('calls to one peer make one series of the metric for each result', async (t) => {
  const service = await startService(t, { probe: true })
  expect((await fetch(through('/probe/query?seconds=0', service.url))).status).toBe(200)
  await fetch(through('/nothing', service.url))

  const text = await (await fetch(`${service.adminUrl}/metrics`)).text()

  const { port } = new URL(second().url)
  const called = `http_request_method="GET",server_address="127.0.0.1",server_port="${port}"`
  const name = 'http_client_request_duration_seconds_count'
  expect(text.split('\n').filter((line) => line.startsWith(name))).toEqual([
    `${name}{${called},http_response_status_code="200"} 1`,
    `${name}{${called},http_response_status_code="404",error_type="404"} 1`,
  ])
})

function spanNamed(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const span = spans.find((each) => each.name === name)
  if (span === undefined)
    throw new Error(`no span is named ${name}: ${spans.map((each) => each.name).join(', ')}`)
  return span
}
