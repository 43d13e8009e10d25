import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { eventually, open, running } from '../support/client.ts'
import { startService } from '../support/service.ts'

test.for(['SIGTERM', 'SIGINT'] as const)('%s without requests under way: exit 0', async (signal, t) => {
  const service = await startService(t)

  service.signal(signal)

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(service.log.at(-1)).toMatchObject({ msg: 'stopped', reason: `${signal} received`, abandoned: [] })
})

test('a request under way finishes with 200 within the drain budget, and its connection closes', async (t) => {
  const service = await startService(t, { probe: true })
  const request = open(`${service.url}/probe/query?seconds=0.6`, 'GET', { connection: 'keep-alive' })
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')

  const { status, headers } = await request.answer
  expect(status).toBe(200)
  expect(headers['connection']).toBe('close')
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('one that does not is cancelled in Postgres and answered with 503; the exit is clean', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '200' } })
  const request = open(`${service.url}/probe/query?seconds=30`, 'GET', { 'x-request-id': 'cut-short' })
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')

  const { status, headers, body } = await request.answer
  expect(status).toBe(503)
  expect(headers).toMatchObject({ connection: 'close', 'retry-after': '1' })
  expect(JSON.parse(body)).toMatchObject({ status: 503 })
  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(await running(service, 'pg_sleep')).toBe(0)
  const line = service.log.find((entry) => entry['requestId'] === 'cut-short')
  expect(line).toMatchObject({ status: 503, cause: 'ServerShutdown' })
})

test('a write that ignores hang-ups is cancelled by the shutdown as well', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '100' } })
  const request = open(`${service.url}/probe/write?seconds=30`, 'POST')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  request.hangUp()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('work that refuses to end is abandoned by name: exit 1', async (t) => {
  const env = { SHUTDOWN_DRAIN_MS: '100', SHUTDOWN_CANCEL_MS: '200' }
  const service = await startService(t, { probe: true, env })
  const request = open(`${service.url}/probe/deaf?seconds=30`, 'GET', { 'x-request-id': 'deaf' })
  await eventually(async () => (await contexts(service.adminUrl)).includes('/probe/deaf'))

  service.signal('SIGTERM')

  expect((await request.answer).status).toBe(503)
  expect((await service.exited).code).toBe(1)
  expect(service.log.at(-1)).toMatchObject({
    msg: 'stopped',
    abandoned: [expect.stringMatching(/GET \/probe\/deaf.*request deaf/)],
  })
})

test('readyz says no from the first signal on, livez says yes; new requests are still served meanwhile', async (t) => {
  const service = await startService(t, { env: { SHUTDOWN_DELAY_MS: '1500' } })
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)

  service.signal('SIGTERM')
  await service.line((entry) => entry.msg === 'not ready')

  const ready = await fetch(`${service.url}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({
    status: 'not ready',
    checks: [{ name: 'accepting', ok: false }, {}],
  })
  expect((await fetch(`${service.url}/livez`)).status).toBe(200)
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('idle keep-alive connections, and ones that never sent a byte, do not hold up the stop', async (t) => {
  const service = await startService(t)
  const port = Number(new URL(service.url).port)
  const silent = connect(port, '127.0.0.1')
  const idle = connect(port, '127.0.0.1')
  idle.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise((resolve) => idle.once('data', resolve))
  const startedAt = performance.now()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeLessThan(3_000)
  silent.destroy()
  idle.destroy()
})

test('a second signal ends the process at once with 128 and its number', async (t) => {
  const service = await startService(t, { probe: true })
  const request = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  service.signal('SIGTERM')
  await service.line((entry) => entry.msg === 'draining')

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 143, signal: null })
  request.hangUp()
})

test('an exception that nobody catches is logged, and stops the service the same way: exit 1', async (t) => {
  const service = await startService(t, { probe: true })
  const waiting = open(`${service.url}/probe/query?seconds=0.4`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  await fetch(`${service.url}/probe/fault`)

  expect((await waiting.answer).status).toBe(200)
  expect((await service.exited).code).toBe(1)
  expect(service.log.find((entry) => entry.msg === 'unhandled fault')).toMatchObject({
    level: 'error',
    err: { message: 'nobody catches this' },
  })
})

async function contexts(adminUrl: string): Promise<string> {
  const response = await fetch(`${adminUrl}/debug/contexts`, { headers: { accept: 'application/json' } })
  return response.text()
}
