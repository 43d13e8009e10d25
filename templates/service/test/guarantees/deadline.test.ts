/**
 * Promise: A request whose deadline passes gets 504, and its work stops.
 * Go: `ctx, cancel := context.WithTimeout(r.Context(), limit); defer cancel()`
 * Held by: src/platform/http/boundary.ts, src/platform/http/deadline.ts
 */
import { expect, test } from 'vitest'
import { connection, eventually, liveContexts, running } from '../support/client.ts'
import { sharedService } from '../support/service.ts'

const shared = sharedService({ probe: true, env: { REQUEST_TIMEOUT_MS: '3000' } })

test('a request whose deadline passes gets 504, and its statement ends in Postgres', async () => {
  const service = shared()

  const response = await fetch(`${service.url}/probe/query?seconds=30`, {
    headers: { 'x-request-id': 'late' },
  })

  expect(response.status).toBe(504)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(response.headers.get('x-request-id')).toBe('late')
  expect(await response.json()).toMatchObject({ status: 504, title: 'Gateway Timeout', requestId: 'late' })
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  const line = await service.line((entry) => entry['requestId'] === 'late')
  expect(line).toMatchObject({ level: 'warn', status: 504, cause: 'DeadlineExceeded' })
})

test.for([
  ['x-envoy-expected-rq-timeout-ms', '200'],
  ['grpc-timeout', '200m'],
  ['grpc-timeout', '200000u'],
] as const)('a caller can ask for a shorter deadline: %s: %s', async ([header, value]) => {
  const service = shared()
  const startedAt = performance.now()

  const response = await fetch(`${service.url}/probe/query?seconds=30`, { headers: { [header]: value } })

  expect(response.status).toBe(504)
  expect(performance.now() - startedAt).toBeLessThan(2_800)
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
})

test('a caller cannot ask for a longer deadline', async () => {
  const service = shared()

  const response = await fetch(`${service.url}/probe/query?seconds=30`, {
    headers: { 'x-envoy-expected-rq-timeout-ms': '60000' },
  })

  expect(response.status).toBe(504)
})

test('if a handler ignores its context, the client still gets 504 in time', async () => {
  const service = shared()
  const startedAt = performance.now()

  const response = await fetch(`${service.url}/probe/deaf?seconds=10`)

  expect(response.status).toBe(504)
  expect(performance.now() - startedAt).toBeLessThan(9_000)
})

test('a transaction gets the rest of the deadline as its statement_timeout', async () => {
  const service = shared()

  const response = await fetch(`${service.url}/probe/transaction`)

  const { statementTimeoutMs } = (await response.json()) as { statementTimeoutMs: number }
  expect(statementTimeoutMs).toBeGreaterThan(3_000)
  expect(statementTimeoutMs).toBeLessThanOrEqual(4_000)
})

test('a request that arrives after its deadline gets 504, and no handler runs', async () => {
  const service = shared()

  // If its handler ran, this request would get 200 and end the process.
  const response = await fetch(`${service.url}/probe/fault`, {
    headers: { 'x-envoy-expected-rq-timeout-ms': '0', 'x-request-id': 'too-late' },
  })

  expect(response.status).toBe(504)
  const line = await service.line((entry) => entry['requestId'] === 'too-late')
  expect(line).toMatchObject({ status: 504, cause: 'DeadlineExceeded' })
  expect((await fetch(`${service.url}/livez`)).status).toBe(200)
})

test('a body that arrives too slowly gets 504, and nothing waits for the rest', async () => {
  const service = shared()
  const client = connection(service)
  const headers =
    'x-request-id: slow\r\nx-envoy-expected-rq-timeout-ms: 200\r\ncontent-type: application/json'

  client.send(`POST /probe/query HTTP/1.1\r\nHost: localhost\r\n${headers}\r\ncontent-length: 100\r\n\r\n{`)

  expect(await client.received('"requestId":"slow"')).toMatch(/^HTTP\/1.1 504 /)
  const line = await service.line((entry) => entry['requestId'] === 'slow')
  expect(line).toMatchObject({ status: 504, cause: 'DeadlineExceeded' })
  await eventually(async () => !(await liveContexts(service)).includes('/probe/'))
  await client.closed
})

test('a deadline that passes while the response is sent closes the connection', async () => {
  const service = shared()
  const client = connection(service)
  const headers = 'x-request-id: broken-off\r\nx-envoy-expected-rq-timeout-ms: 300'

  client.send(`GET /probe/deaf-stream HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`)

  const received = await client.closed
  expect(received).toMatch(/^HTTP\/1.1 200 /)
  expect(received).not.toContain('\r\n0\r\n\r\n')
  const line = await service.line((entry) => entry['requestId'] === 'broken-off')
  expect(line).toMatchObject({ cause: 'DeadlineExceeded' })
})
