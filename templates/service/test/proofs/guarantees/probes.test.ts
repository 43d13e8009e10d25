/**
 * Promise: A probe on the admin port does not wait behind clients, and gets the same answer as on the public port.
 * Go: none; each connection has a goroutine, and one that accepts has few to wait for
 * Held by: src/platform/admin/admin.ts, src/platform/http/server.ts
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { connection, eventually, open, running } from '../../support/client.ts'
import { sharedService, startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

/** Probes are logged at debug. */
const shared = sharedService({ probe: proofs, env: { LOG_LEVEL: 'debug' } })

test('a probe on the admin port is answered before three hundred clients that came first', async () => {
  const service = shared()
  let answered = 0
  // Meanwhile the system takes their connections, and the service accepts them afterwards.
  service.signal('SIGSTOP')
  const clients = await Promise.all(Array.from({ length: 300 }, () => asking(service.url)))
  const probe = await asking(service.adminUrl)
  const all = clients.map(async (client) => {
    await once(client, 'data')
    answered++
  })

  service.signal('SIGCONT')
  const [answer] = (await once(probe, 'data')) as [Buffer]
  const before = answered

  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /)
  // On the public port all three hundred were answered first.
  expect(before).toBeLessThan(150)
  await Promise.all(all)
})

/** A connection that has sent a request for /livez. */
async function asking(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  await new Promise((resolve) =>
    socket.write('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', resolve),
  )
  return socket
}

test('both ports give the same answers, and the page of metrics counts both', async () => {
  const service = shared()
  for (const path of ['/livez', '/readyz']) {
    const [own, other] = await Promise.all([
      open(service.url + path).answer,
      open(service.adminUrl + path).answer,
    ])
    expect([other.status, other.body]).toEqual([own.status, own.body])
    expect(other.headers['x-request-id']).toMatch(/\S/)
  }
  expect((await open(`${service.adminUrl}/livez`, 'POST').answer).status).toBe(405)
  const elsewhere = { host: 'rebound.example' }
  expect((await open(`${service.adminUrl}/readyz`, 'GET', elsewhere).answer).status).toBe(200)
  expect((await open(`${service.adminUrl}/metrics`, 'GET', elsewhere).answer).status).toBe(403)
  expect((await open(`${service.adminUrl}/probe/query?seconds=0`).answer).status).toBe(404)
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
  expect(metrics).toMatch(
    /http_server_request_duration_seconds_count\{[^}]*http_route="\/readyz"[^}]*\} [2-9]/,
  )
})

test.for(['url', 'adminUrl'] as const)(
  'a broken body of a probe is 400 with the id of the request, and a broken request behind a probe closes: %s',
  async (port) => {
    const service = shared()
    const head = 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: '
    const broken = connection({ url: service[port] })
    broken.send(`${head}broken-${port}\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n`)
    const answered = await broken.closed
    expect(answered).toMatch(/^HTTP\/1.1 400 /)
    expect(answered).toContain('application/problem+json')
    expect(answered).toContain(`x-request-id: broken-${port}`)
    const line = await service.line(({ requestId }) => requestId === `broken-${port}`)
    expect(line).toMatchObject({ msg: 'request', status: 400 })

    for (const behind of ['nonsense\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n']) {
      const client = connection({ url: service[port] })
      client.send(`${head}whole\r\n\r\n${behind}`)
      expect(await client.closed).toBe('')
    }
  },
)

test('a broken request behind a scrape closes the connection; after an answer it is answered', async () => {
  const scrape = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'
  for (const [behind, status] of [
    ['nonsense\r\n\r\n', 400],
    ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 501],
  ] as const) {
    const early = connection({ url: shared().adminUrl })
    early.send(scrape + behind)
    expect(await early.closed).not.toContain(`HTTP/1.1 ${status} `)

    const late = connection({ url: shared().adminUrl })
    late.send(scrape.replace('metrics', 'nowhere'))
    await late.received('}')
    late.send(behind)
    expect(await late.closed).toMatch(new RegExp(`^HTTP/1.1 404 [^]*HTTP/1.1 ${status} `))
  }
})

test('while the service stops, /readyz on the admin port is 503, and /livez stays 200', async (t) => {
  const service = await startService(t, { probe: proofs })
  const late = open(`${service.url}/probe/query?seconds=3`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')
  await service.line(({ msg }) => msg === 'draining')

  expect((await open(`${service.adminUrl}/readyz`).answer).status).toBe(503)
  expect((await open(`${service.adminUrl}/livez`).answer).status).toBe(200)
  expect((await late.answer).status).toBe(200)
  expect(await service.exited).toEqual({ code: 0, signal: null })
})
