import { expect, test } from 'vitest'
import { eventually, liveContexts, open, running } from '../../test/support/client.ts'
import {
  startService,
  type LogLine,
  type RunningService,
  type RunningTest,
} from '../../test/support/service.ts'

test('GET /widget answers what it is asked', async (t) => {
  const service = await startService(t)

  const response = await fetch(`${service.url}/widget?text=abc`)

  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ text: 'abc', length: 3 })
})

test('GET /widget refuses a text that is too long, and says where it stands', async (t) => {
  const service = await startService(t)

  const response = await fetch(`${service.url}/widget?text=${'x'.repeat(201)}`)

  expect(response.status).toBe(400)
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  expect(await response.json()).toMatchObject({ errors: [{ field: 'query.text' }] })
})

test('GET /widget is described in /openapi.json', async (t) => {
  const service = await startService(t)

  const response = await fetch(`${service.url}/openapi.json`)

  expect(await response.json()).toMatchObject({
    paths: { '/widget': { get: { parameters: [{ name: 'text', in: 'query' }] } } },
  })
})

test('GET /widget ends with its client', async (t) => {
  const service = await startBusyService(t)
  const request = open(`${service.url}/widget`, 'GET', { 'x-request-id': 'left' })
  await eventually(async () => (await liveContexts(service)).includes('/widget'))

  request.hangUp()

  expect(await unwound(service, 'left')).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
})

test('GET /widget ends with its deadline', async (t) => {
  const service = await startBusyService(t)

  const response = await fetch(`${service.url}/widget`, {
    headers: { 'x-request-id': 'late', 'x-envoy-expected-rq-timeout-ms': '200' },
  })

  expect(response.status).toBe(504)
  expect(await unwound(service, 'late')).toMatchObject({ status: 504, cause: 'DeadlineExceeded' })
})

/** A service whose one database connection is taken: whoever else needs it waits. */
async function startBusyService(t: RunningTest): Promise<RunningService> {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  return service
}

/** The log line of a request, which is written when its work has ended; that must be soon, not when a connection is free. */
async function unwound(service: RunningService, requestId: string): Promise<LogLine> {
  const startedAt = performance.now()
  const line = await service.line((entry) => entry.msg === 'request' && entry['requestId'] === requestId)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  return line
}
