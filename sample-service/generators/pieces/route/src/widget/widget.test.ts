import { expect, test } from 'vitest'
import { eventually, liveContexts, open, running } from '../../test/support/client.ts'
import {
  startService,
  type LogLine,
  type RunningService,
  type RunningTest,
} from '../../test/support/service.ts'

const method = 'GET'
const path = '/widget'

interface Ask {
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

/** Sends a text to the endpoint. */
function ask(service: RunningService, text: string, init: Ask = {}): Promise<Response> {
  return fetch(`${service.url}${path}?${new URLSearchParams({ text }).toString()}`, { method, ...init })
}

test('it answers with the text and its length', async (t) => {
  const service = await startService(t)

  const response = await ask(service, 'a b')

  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ text: 'a b', length: 3 })
})

test('a text that is too long is refused by the name of its field', async (t) => {
  const service = await startService(t)

  const response = await ask(service, 'x'.repeat(201))

  expect(response.status).toBe(400)
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  expect(await response.json()).toMatchObject({
    errors: [{ field: expect.stringMatching(/\.text$/) as unknown }],
  })
})

test('/openapi.json describes it', async (t) => {
  const service = await startService(t)

  const response = await fetch(`${service.url}/openapi.json`)

  expect(JSON.stringify(await response.json())).toContain('The text and its length')
})

test('it ends with its client', async (t) => {
  const service = await startBusyService(t)
  const client = new AbortController()
  const answer = ask(service, 'x', { headers: { 'x-request-id': 'left' }, signal: client.signal })
  const rejected = expect(answer).rejects.toThrow()
  await eventually(async () => (await liveContexts(service)).includes(`${method} ${path}`))

  client.abort()

  await rejected
  expect(await unwound(service, 'left')).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
})

test('it ends with its deadline', async (t) => {
  const service = await startBusyService(t)

  // Long enough to wait for a connection: with a shorter deadline it would be refused at once.
  const response = await ask(service, 'x', {
    headers: { 'x-request-id': 'late', 'x-envoy-expected-rq-timeout-ms': '2000' },
  })

  expect(response.status).toBe(504)
  expect(await unwound(service, 'late')).toMatchObject({ status: 504, cause: 'DeadlineExceeded' })
})

/** Starts a service whose one database connection is taken, so that all other work waits for it. */
async function startBusyService(t: RunningTest): Promise<RunningService> {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  return service
}

/** The log line of a request, written when its work has ended. That must be soon, not when a connection becomes free. */
async function unwound(service: RunningService, requestId: string): Promise<LogLine> {
  const startedAt = performance.now()
  const line = await service.line((entry) => entry.msg === 'request' && entry['requestId'] === requestId)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  return line
}
