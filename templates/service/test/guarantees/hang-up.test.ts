/**
 * Promise: A client that hangs up takes its work with it, down to the statement in Postgres.
 * Go: `r.Context()` is cancelled when the connection closes
 * Held by: src/platform/http.ts, src/platform/connection.ts
 */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { eventually, open, running } from '../support/client.ts'
import { sharedService, startService } from '../support/service.ts'

const shared = sharedService({ probe: true })

test('a client that hangs up takes its statement in Postgres with it', async () => {
  const service = shared()
  const request = open(`${service.url}/probe/query?seconds=30`, 'GET', {
    'x-request-id': 'the-one-that-left',
  })
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  request.hangUp()

  const ms = await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  expect(ms).toBeLessThan(1_000)
  const line = await service.line(
    (entry) => entry.msg === 'request' && entry['requestId'] === 'the-one-that-left',
  )
  expect(line).toMatchObject({
    level: 'info',
    status: 499,
    cause: 'ClientDisconnected',
    route: '/probe/query',
  })
})

test('its connection is free for the next request', async (t) => {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  const request = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  request.hangUp()

  const next = await fetch(`${service.url}/probe/query?seconds=0`)

  expect(next.status).toBe(200)
  expect(service.log.filter((line) => line['level'] === 'error')).toEqual([])
})

test('a client that hangs up while it waits for a connection leaves the queue', async (t) => {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  const first = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  const second = open(`${service.url}/probe/query?seconds=29`, 'GET', { 'x-request-id': 'second' })
  await eventually(async () =>
    /GET \/probe\/query.*GET \/probe\/query/.test(await contexts(service.adminUrl)),
  )

  second.hangUp()

  const line = await service.line((entry) => entry['requestId'] === 'second')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  first.hangUp()
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
})

test('a write that must not stop half-way outlives its client, and only its client', async () => {
  const service = shared()
  const patient = open(`${service.url}/probe/write?seconds=0.5`, 'POST', { 'x-request-id': 'write' })
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  patient.hangUp()
  const line = await service.line((entry) => entry['requestId'] === 'write')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  expect(line['durationMs']).toBeGreaterThanOrEqual(490)

  const late = await fetch(`${service.url}/probe/write?seconds=30`, {
    method: 'POST',
    headers: { 'x-envoy-expected-rq-timeout-ms': '200' },
  })
  expect(late.status).toBe(504)
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
})

test('a client that half-closes its connection has gone', async () => {
  const service = shared()
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  socket.write('GET /probe/query?seconds=30 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  socket.end()

  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  socket.destroy()
})

test('a response that is being streamed ends with its client', async () => {
  const service = shared()
  const controller = new AbortController()
  const response = await fetch(`${service.url}/probe/stream?seconds=30`, {
    signal: controller.signal,
    headers: { 'x-request-id': 'stream' },
  })
  expect(response.status).toBe(200)

  controller.abort()

  const line = await service.line((entry) => entry['requestId'] === 'stream')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
})

test('a response that ended well leaves no context behind', async () => {
  const service = shared()
  for (let i = 0; i < 20; i++) {
    const response = await fetch(`${service.url}/probe/stream?seconds=0.04`)
    expect(await response.text()).toBe('..')
  }
  await eventually(async () => !(await contexts(service.adminUrl)).includes('/probe/'))
})

async function contexts(adminUrl: string): Promise<string> {
  const response = await fetch(`${adminUrl}/debug/contexts`, { headers: { accept: 'application/json' } })
  return response.text()
}
