/**
 * Promise: A signal stops new connections and lets running requests finish; then the service cancels the rest and exits.
 * Go: `srv.Shutdown(ctx)`, then the `cancel` of the context that `srv.BaseContext` returned
 * Held by: src/platform/http/stop.ts, src/platform/http/connections.ts, src/platform/http/exchange.ts, src/platform/lifecycle/process.ts, src/platform/lifecycle/closers.ts
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { connection, eventually, liveContexts, open, running } from '../support/client.ts'
import { startCollector } from '../support/otlp.ts'
import { startService, type RunningService } from '../support/service.ts'

test.for(['SIGTERM', 'SIGINT'] as const)('%s without running requests exits with 0', async (signal, t) => {
  const service = await startService(t)

  service.signal(signal)

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(service.log.at(-1)).toMatchObject({ msg: 'stopped', reason: `${signal} received`, abandoned: [] })
})

test('a running request finishes with 200 within SHUTDOWN_DRAIN_MS, and its connection closes', async (t) => {
  const service = await startService(t, { probe: true })
  const request = open(`${service.url}/probe/query?seconds=0.6`, 'GET', { connection: 'keep-alive' })
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')

  await service.line(({ msg }) => msg === 'draining')
  expect(await liveContexts(service)).toContain('"name":"drain"')
  const { status, headers } = await request.answer
  expect(status).toBe(200)
  expect(headers['connection']).toBe('close')
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('a request that does not finish in time is cancelled in Postgres and gets 503; the process exits with 0', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '200' } })
  const sent = { 'x-request-id': 'cut-short', connection: 'keep-alive' }
  const request = open(`${service.url}/probe/query?seconds=30`, 'GET', sent)
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

test('a shutdown also cancels a write with hangUp: ignore', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '100' } })
  const request = open(`${service.url}/probe/write?seconds=30`, 'POST')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  request.hangUp()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('work that ignores its cancel is abandoned and logged with its ids and age; the process exits with 1', async (t) => {
  const collector = await startCollector(t)
  const env = {
    SHUTDOWN_DRAIN_MS: '100',
    SHUTDOWN_CANCEL_MS: '200',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  }
  const service = await startService(t, { probe: true, env })
  const traceId = 'a'.repeat(32)
  const headers = { 'x-request-id': 'deaf', traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
  const askedAt = Date.now()
  const request = open(`${service.url}/probe/deaf?seconds=30`, 'GET', headers)
  await eventually(async () => (await liveContexts(service)).includes('/probe/deaf'))

  service.signal('SIGTERM')

  expect((await request.answer).status).toBe(503)
  expect((await service.exited).code).toBe(1)
  const line = service.log.find(({ msg }) => msg.startsWith('abandoned'))
  expect(line).toMatchObject({
    level: 'error',
    method: 'GET',
    path: '/probe/deaf',
    route: '/probe/deaf',
    requestId: 'deaf',
    traceId,
    spanId: expect.stringMatching(/^[0-9a-f]{16}$/) as unknown,
  })
  expect(Number(line?.['forMs'])).toBeGreaterThanOrEqual(300)
  expect(Math.abs(Date.parse(String(line?.['since'])) - askedAt)).toBeLessThan(5_000)
  expect(service.log.at(-1)).toMatchObject({
    msg: 'stopped',
    abandoned: [expect.stringMatching(/GET \/probe\/deaf.*request deaf/)],
  })
})

test('each phase of a shutdown logs what it waits for, how long it took and what is left', async (t) => {
  const env = { SHUTDOWN_DELAY_MS: '50', SHUTDOWN_DRAIN_MS: '150' }
  const service = await startService(t, { probe: true, env })
  const idle = connection(service)
  idle.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await idle.received('alive')
  const request = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect((await request.answer).status).toBe(503)
  const signalled = service.log.findIndex(({ msg }) => msg === 'signal received')
  const told = service.log.slice(signalled).filter(({ msg }) => msg !== 'request')
  const ms = expect.any(Number) as unknown
  expect(told).toMatchObject([
    { msg: 'signal received', signal: 'SIGTERM' },
    { msg: 'not ready', delayMs: 50 },
    { msg: 'draining', requests: 1, drainMs: 150 },
    { msg: 'drained', durationMs: ms, requests: 1, connections: 1 },
    { msg: 'cancelling', requests: 1, cancelMs: 3_000 },
    { msg: 'cancelled', durationMs: ms, requests: 0 },
    { msg: 'stopped' },
  ])
  const took = told.at(-1)?.['tookMs'] as Record<string, number>
  expect(Object.keys(took)).toEqual(['delay', 'drain', 'cancel', 'admin listener', 'database', 'telemetry'])
  expect(took['delay']).toBeGreaterThanOrEqual(50)
  expect(took['drain']).toBeGreaterThanOrEqual(150)
})

test('after the first signal readyz is 503 and livez 200, and new requests are served during the delay', async (t) => {
  const service = await startService(t, { env: { SHUTDOWN_DELAY_MS: '1500' } })
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
  const kept = connection(service)
  kept.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  expect(await kept.received('alive')).toMatch(/Connection: keep-alive/i)

  service.signal('SIGTERM')
  await service.line((entry) => entry.msg === 'not ready')

  const ready = await fetch(`${service.url}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({
    status: 'not ready',
    checks: [{ name: 'accepting', ok: false }],
  })
  // While the listener is still open, a client with a kept connection is asked to close it.
  kept.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  expect(await kept.closed).toMatch(/alive[^]*Connection: close[^]*alive/i)
  expect((await fetch(`${service.url}/livez`)).status).toBe(200)
  expect(service.log.some(({ msg }) => msg === 'draining')).toBe(false)
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('during the drain no connection is accepted, and a kept connection is asked to close', async (t) => {
  const service = await startService(t, { probe: true })
  const port = Number(new URL(service.url).port)
  const kept = connect(port, '127.0.0.1')
  let answers = ''
  kept.on('data', (chunk) => (answers += String(chunk)))
  const closed = once(kept, 'close')
  kept.write('GET /probe/query?seconds=30 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')

  await eventually(() => isRefused(port))
  // Only of this database: tests of other files run statements in the same Postgres.
  await service.sql(
    `select pg_cancel_backend(pid) from pg_stat_activity
      where datname = current_database() and query like 'select pg_sleep%'`,
  )
  await closed
  expect(answers).toMatch(/^HTTP\/1.1 500 .*\r\n(.*\r\n)*Connection: close\r\n/i)
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('a stopped service leaves no backend in Postgres behind', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '200' } })
  const requests = Array.from({ length: 5 }, () => open(`${service.url}/probe/query?seconds=30`))
  await eventually(async () => (await running(service, 'pg_sleep')) === 5)

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  for (const { answer } of requests) expect((await answer).status).toBe(503)
  await eventually(async () => (await backends(service)) === 0, 1_000)
})

test.for([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)(
  'a second signal (%s) ends the process at once with 128 plus its number',
  async ([signal, code], t) => {
    const service = await startService(t, { probe: true })
    const request = open(`${service.url}/probe/query?seconds=30`)
    await eventually(async () => (await running(service, 'pg_sleep')) === 1)
    service.signal('SIGTERM')
    await service.line((entry) => entry.msg === 'draining')
    // A second signal within a tenth of a second would count as the first one.
    if (signal === 'SIGTERM') await new Promise((resolve) => setTimeout(resolve, 150))

    service.signal(signal)

    expect(await service.exited).toEqual({ code, signal: null })
    request.hangUp()
  },
)

test.for(['exception', 'rejection'] as const)(
  'an unhandled fault (%s) is logged and stops the service as a signal does, with exit 1',
  async (kind, t) => {
    const service = await startService(t, { probe: true })
    const waiting = open(`${service.url}/probe/query?seconds=0.4`)
    await eventually(async () => (await running(service, 'pg_sleep')) === 1)

    await fetch(`${service.url}/probe/fault?kind=${kind}`)

    expect((await waiting.answer).status).toBe(200)
    expect((await service.exited).code).toBe(1)
    expect(service.log.find((entry) => entry.msg === 'unhandled fault')).toMatchObject({
      level: 'error',
      err: { message: 'nobody catches this' },
    })
  },
)

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

async function backends(service: RunningService): Promise<number> {
  const [row] = await service.sql(
    "select count(*)::int as count from pg_stat_activity where datname = current_database() and application_name <> 'test'",
  )
  return Number(row?.['count'])
}
