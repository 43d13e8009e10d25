/**
 * Promise: The requests of one connection are served in order, and each has its own context.
 * Go: `net/http` serves a connection in one goroutine, and makes a context for each request
 * Held by: src/platform/http/limits.ts, src/platform/http/boundary.ts
 */
import { expect, test } from 'vitest'
import { connection, eventually, liveContexts, running } from '../../support/client.ts'
import { sharedService, startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const shared = sharedService({ probe: proofs })

test.for([
  ['longer than any common load balancer does', {}, '620'],
  ['as long as KEEP_ALIVE_TIMEOUT_MS says', { KEEP_ALIVE_TIMEOUT_MS: '2000' }, '2'],
] as const)('an idle connection is kept %s', async ([, env, seconds], t) => {
  const service = await startService(t, { env })
  const client = connection(service)

  client.send(get('/livez', 'kept'))

  expect(await client.received('alive')).toContain(`Keep-Alive: timeout=${seconds}\r\n`)
  if (seconds === '620') client.hangUp()
  await client.closed
})

test('a connection that closes between two requests cancels nothing', async () => {
  const service = shared()
  const client = connection(service)
  client.send(get('/probe/query?seconds=0', 'only'))
  await client.received('"slept":0')

  client.hangUp()
  await client.closed

  const line = await expectLine('only', { status: 200 })
  expect(line).not.toHaveProperty('cause')
  expect(await liveContexts(service)).not.toContain('/probe/')
})

test('each request of a connection has its own context', async () => {
  const service = shared()
  const client = connection(service)
  client.send(get('/probe/query?seconds=0', 'first'))
  await client.received('"slept":0')
  client.send(get('/probe/query?seconds=30', 'second'))
  await eventually(async () => (await running(service, 'pg_sleep(')) === 1)

  client.hangUp()

  await expectLine('second', { status: 499, cause: 'ClientDisconnected' })
  const first = await expectLine('first', { status: 200 })
  expect(first).not.toHaveProperty('cause')
})

test('pipelined requests are served in order', async () => {
  const client = connection(shared())

  client.send(get('/probe/query?seconds=0.2', 'slow') + get('/livez', 'quick') + get('/nowhere', 'last'))

  const received = await client.received('"requestId":"last"')
  expect(received.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404'])
  expect(received.match(/x-request-id: \w+/g)).toEqual([
    'x-request-id: slow',
    'x-request-id: quick',
    'x-request-id: last',
  ])
  client.hangUp()
})

test('a pipelined request that is refused before it reaches a route does not block the requests behind it', async () => {
  const client = connection(shared())

  client.send('GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n' + get('/livez', 'behind'))

  expect(await client.received('x-request-id: behind')).toMatch(/^HTTP\/1.1 400 /)
  client.hangUp()
})

test('a pipelined request that still waits when the client hangs up never runs and leaves nothing behind', async (t) => {
  const service = await startService(t, { probe: proofs })
  const client = connection(service)
  client.send(get('/probe/query?seconds=30', 'before') + get('/probe/query?seconds=29', 'behind'))
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  expect(await liveContexts(service)).not.toMatch(/probe.*probe/)

  client.hangUp()

  const line = await service.line((entry) => entry['requestId'] === 'before')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  await eventually(async () => !(await liveContexts(service)).includes('/probe/'))
  expect(await running(service, 'pg_sleep')).toBe(0)
  service.signal('SIGTERM')
  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(service.log.some((entry) => entry['requestId'] === 'behind')).toBe(false)
})

test.for([
  ['HTTP/1.0, as in the health checks of proxies', 'GET /livez HTTP/1.0\r\n', 200],
  ['with an empty Host', 'GET /livez HTTP/1.1\r\nHost:\r\nConnection: close\r\n', 200],
  ['HTTP/1.1 without the Host that it requires', 'GET /livez HTTP/1.1\r\n', 400],
] as const)('a request without a host: %s', async ([, head, status]) => {
  const client = connection(shared())

  client.send(`${head}\r\n`)

  expect(await client.closed).toContain(`HTTP/1.1 ${status} `)
})

test('HTTP/2 is not offered: the preface is refused, and an upgrade gets an HTTP/1.1 answer', async () => {
  const preface = connection(shared())
  preface.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  expect(await preface.closed).toMatch(/^HTTP\/1.1 400 /)

  const upgrade = connection(shared())
  const headers = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__'
  upgrade.send(`GET /livez HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`)
  expect(await upgrade.received('x-request-id')).toMatch(/^HTTP\/1.1 200 /)
  upgrade.hangUp()
})

async function expectLine(requestId: string, fields: object): Promise<object> {
  const line = await shared().line((entry) => entry['requestId'] === requestId)
  expect(line).toMatchObject(fields)
  return line
}

function get(path: string, requestId: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nx-request-id: ${requestId}\r\n\r\n`
}
