/**
 * Promise: A client that does not read, a late connection and a fault during a stop do not hold up the stop.
 * Go: `srv.Shutdown(ctx)` waits for a connection that is not idle, and `srv.Close()` ends it
 * Held by: src/platform/http/server.ts, src/platform/http/connections.ts, src/platform/lifecycle/process.ts
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { connection, eventually, open, running } from '../../support/client.ts'
import { startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

test('a client that does not read its answer loses its connection; the process exits with 0', async (t) => {
  const env = { SHUTDOWN_DRAIN_MS: '100', SHUTDOWN_CANCEL_MS: '100' }
  const service = await startService(t, { probe: proofs, env })
  const client = connect(Number(new URL(service.url).port), '127.0.0.1')
  client.on('error', () => undefined)
  client.write('GET /probe/large HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(client, 'data')
  client.pause()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(service.log.at(-1)).toMatchObject({ msg: 'stopped', abandoned: [] })
  client.destroy()
})

test('a connection opened during the delay is kept, and may carry one more request after the listener has closed', async (t) => {
  const service = await startService(t, { env: { SHUTDOWN_DELAY_MS: '1000' } })
  service.signal('SIGTERM')
  await service.line((entry) => entry.msg === 'not ready')
  const late = connection(service)
  const other = connection(service)
  for (const { send, received } of [late, other]) {
    send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await received('alive')).toMatch(/Connection: keep-alive/i)
  }

  await service.line((entry) => entry.msg === 'draining')
  await eventually(() => isRefused(Number(new URL(service.url).port)))
  for (const { send } of [late, other]) send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')

  for (const { closed } of [late, other])
    expect(await closed).toMatch(/keep-alive[^]*alive[^]*Connection: close[^]*alive/i)
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('an idle connection opened during the delay prolongs the stop by that delay at most', async (t) => {
  const service = await startService(t, { env: { SHUTDOWN_DELAY_MS: '300', SHUTDOWN_DRAIN_MS: '60000' } })
  service.signal('SIGTERM')
  await service.line((entry) => entry.msg === 'not ready')
  const late = connection(service)
  late.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await late.received('alive')

  await late.closed
  expect(await service.exited).toEqual({ code: 0, signal: null })
  const took = service.log.at(-1)?.['tookMs'] as Record<string, number>
  expect(took['drain']).toBeGreaterThanOrEqual(299)
  expect(took['drain']).toBeLessThan(30_000)
})

test('idle connections, and connections that never sent a byte, do not delay the stop', async (t) => {
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

test('a client that has stopped reading its answer does not delay the stop', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '200' } })
  const client = connect(Number(new URL(service.url).port), '127.0.0.1')
  client.on('error', () => undefined)
  client.write('GET /probe/flood HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: deaf\r\n\r\n')
  await once(client, 'data')
  client.pause()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  const line = service.log.find((entry) => entry['requestId'] === 'deaf')
  expect(line).toMatchObject({ cause: 'ServerShutdown' })
  client.destroy()
})

test.for(['SIGTERM', 'SIGINT'] as const)(
  '%s sent twice at once, as npm and a process group do, counts as one',
  async (signal, t) => {
    const service = await startService(t, { probe: proofs })
    await fetch(`${service.url}/probe/signalled-twice?signal=${signal}`)
    const request = open(`${service.url}/probe/query?seconds=0.5`)
    await eventually(async () => (await running(service, 'pg_sleep')) === 1)

    service.signal(signal)

    expect((await request.answer).status).toBe(200)
    expect(await service.exited).toEqual({ code: 0, signal: null })
  },
)

test('after an unhandled fault during a stop, the stop continues and exits with 1', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DELAY_MS: '500' } })
  const waiting = open(`${service.url}/probe/query?seconds=1`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  service.signal('SIGTERM')
  await service.line(({ msg }) => msg === 'not ready')

  await fetch(`${service.url}/probe/fault?kind=rejection`)

  expect((await waiting.answer).status).toBe(200)
  expect((await service.exited).code).toBe(1)
  expect(service.log.at(-1)).toMatchObject({ msg: 'stopped', reason: 'SIGTERM received', abandoned: [] })
})

test('a second signal ends the process at once, even after an unhandled fault', async (t) => {
  const service = await startService(t, { probe: true })
  open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  await fetch(`${service.url}/probe/fault`)
  await service.line(({ msg }) => msg === 'draining')

  service.signal('SIGTERM')
  await service.line(({ msg }) => msg === 'signal received')
  service.signal('SIGINT')

  expect(await service.exited).toEqual({ code: 130, signal: null })
})

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
  })
}
