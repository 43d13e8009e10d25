/**
 * Promise: When a client hangs up, all work of its request ends, down to the statement in Postgres.
 * Go: `r.Context()` is cancelled when the connection closes
 * Held by: src/platform/http/boundary.ts, src/platform/database/connection.ts
 */
import { readdir, readlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { connection, eventually, liveContexts, open, running } from '../support/client.ts'
import { sharedService, startService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true })

test('a client that hangs up ends its statement in Postgres', async () => {
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

test('the connection of the ended statement is free for the next request', async (t) => {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  const request = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  // At the start a worker may have logged an error about something that it lacks.
  const before = service.log.length
  request.hangUp()

  const next = await fetch(`${service.url}/probe/query?seconds=0`)

  expect(next.status).toBe(200)
  expect(service.log.slice(before).filter(({ level }) => level === 'error')).toEqual([])
})

test('a client that hangs up while it waits for a connection leaves the queue', async (t) => {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  const first = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  const second = open(`${service.url}/probe/query?seconds=29`, 'GET', { 'x-request-id': 'second' })
  await eventually(async () => /GET \/probe\/query.*GET \/probe\/query/.test(await liveContexts(service)))

  second.hangUp()

  const line = await service.line((entry) => entry['requestId'] === 'second')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  first.hangUp()
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
})

test('a write with hangUp: ignore outlives its client, but not the deadline or a shutdown', async () => {
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

test('if a write with hangUp: ignore fails after its client has hung up, the error is logged', async () => {
  const service = shared()
  const impatient = open(`${service.url}/probe/write?seconds=0.3&fails=true`, 'POST', {
    'x-request-id': 'lost',
  })
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  impatient.hangUp()

  const line = await service.line((entry) => entry['requestId'] === 'lost')
  expect(line).toMatchObject({ level: 'error', status: 499, err: { message: 'the write has failed' } })
})

test('a client that half-closes its connection counts as hung up', async () => {
  const service = shared()
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  socket.write('GET /probe/query?seconds=30 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  socket.end()

  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  socket.destroy()
})

test('a streamed response ends when its client hangs up', async () => {
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

test('a stream that is returned after its client has hung up is closed, and may fail', async () => {
  const service = shared()
  const file = import.meta.filename
  const at = (path: string, seconds: number): string =>
    `${service.url}/probe/file?seconds=${seconds}&path=${encodeURIComponent(path)}`
  for (const [id, path] of [
    ['there', file],
    ['not-there', '/nowhere'],
  ] as const) {
    const request = open(at(path, 0.2), 'GET', { 'x-request-id': id })
    await eventually(async () => (await liveContexts(service)).includes('/probe/file'))
    request.hangUp()
    await service.line(({ requestId }) => requestId === id)
  }
  // A HEAD does not read it either.
  expect((await fetch(at('/nowhere', 0), { method: 'HEAD' })).status).toBe(200)

  await eventually(async () => !(await openFiles(service)).includes(file))
  expect((await fetch(`${service.url}/livez`)).status).toBe(200)
  expect(service.log.filter(({ msg }) => msg === 'unhandled fault')).toEqual([])
})

test('a completed response leaves no context behind', async () => {
  const service = shared()
  for (let i = 0; i < 20; i++) {
    const response = await fetch(`${service.url}/probe/stream?seconds=0.04`)
    expect(await response.text()).toBe('..')
  }
  await eventually(async () => !(await liveContexts(service)).includes('/probe/'))
})

test('a client that hangs up after its JSON body was read ends its statement', async () => {
  const service = shared()
  const client = connection(service)
  client.send(postJson('/probe/query', { seconds: 30 }, 'x-request-id: read'))
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  client.hangUp()

  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  const line = await service.line((entry) => entry['requestId'] === 'read')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
})

test('a client that hangs up in the middle of its JSON body is recorded as 499, and its context ends', async () => {
  const service = shared()
  const client = connection(service)
  client.send(postJson('/probe/query', { seconds: 30 }, 'x-request-id: half').slice(0, -3))
  await eventually(async () => (await liveContexts(service)).includes('POST /probe/query'))

  client.hangUp()

  const line = await service.line((entry) => entry['requestId'] === 'half')
  expect(line).toMatchObject({ level: 'info', status: 499, cause: 'ClientDisconnected' })
  await eventually(async () => !(await liveContexts(service)).includes('/probe/'))
  expect(await running(service, 'pg_sleep')).toBe(0)
})

test('an unread body that fits into the buffers does not hide a hang-up', async () => {
  const service = shared()
  const client = connection(service)
  client.send(postJson('/probe/unread?seconds=30', 'x'.repeat(1_000), 'x-request-id: unread'))
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  client.hangUp()

  const line = await service.line((entry) => entry['requestId'] === 'unread')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
})

test('an unread body that does not fit hides a hang-up, since Node stops reading; the deadline then ends the work', async () => {
  const service = shared()
  const client = connection(service)
  const headers = 'x-request-id: unread-large\r\nx-envoy-expected-rq-timeout-ms: 700'
  client.send(postJson('/probe/unread?seconds=30', 'x'.repeat(5_000_000), headers))
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  client.hangUp()

  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  const line = await service.line((entry) => entry['requestId'] === 'unread-large')
  expect(line).toMatchObject({ cause: 'DeadlineExceeded' })
  await eventually(async () => !(await liveContexts(service)).includes('/probe/'))
})

test('an error thrown after the client has hung up does not count as a failure of the service', async () => {
  const service = shared()
  const request = open(`${service.url}/probe/late-failure`, 'GET', { 'x-request-id': 'thrown-late' })
  await eventually(async () => (await liveContexts(service)).includes('/probe/late-failure'))

  request.hangUp()

  const line = await service.line((entry) => entry['requestId'] === 'thrown-late')
  expect(line).toMatchObject({ level: 'info', status: 499, cause: 'ClientDisconnected' })
  expect(line).not.toHaveProperty('err')
})

test('the context lives until the body of the response has been sent, longer than the handler runs', async () => {
  const service = shared()
  const client = connection(service)
  client.send('GET /probe/stream?seconds=0.3 HTTP/1.1\r\nHost: localhost\r\n\r\n')

  // The generator waits under the context between two dots, so all dots arrive only if the context lasts.
  await client.received('\r\n.\r\n', 3)
  expect(await liveContexts(service)).toContain('GET /probe/stream')
  await client.received('\r\n.\r\n', 15)
  await client.received('\r\n0\r\n\r\n')

  // The connection is still open.
  await eventually(async () => !(await liveContexts(service)).includes('/probe/stream'))
  client.hangUp()
})

/** The files that the service holds open; empty where the system cannot list them. */
async function openFiles({ pid }: RunningService): Promise<string[]> {
  const descriptors = `/proc/${pid}/fd`
  const numbers = await readdir(descriptors).catch(() => [])
  return Promise.all(numbers.map((fd) => readlink(`${descriptors}/${fd}`).catch(() => '')))
}

function postJson(path: string, body: unknown, headers: string): string {
  const text = JSON.stringify(body)
  const type = `content-type: application/json\r\ncontent-length: ${text.length}`
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${type}\r\n${headers}\r\n\r\n${text}`
}
