/**
 * Promise: A client that breaks the protocol gets a 4xx or a closed connection, in time, and never a 500.
 * Go: `http.Server` with `ReadHeaderTimeout`, `ReadTimeout`, `WriteTimeout` and `MaxHeaderBytes`, which are all unlimited by default
 * Held by: src/platform/http/limits.ts, src/platform/http/connections.ts, src/platform/http/boundary.ts, src/platform/http/input.ts, src/platform/http/docs.ts
 */
import fc from 'fast-check'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { connection, eventually, liveContexts } from '../../support/client.ts'
import { sharedService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

/** A request may take one second, and so may its headers. */
const shared = sharedService({
  probe: proofs,
  env: { LOG_LEVEL: 'debug', REQUEST_TIMEOUT_MS: '1000', UPLOAD_TIMEOUT_MS: '1000', UPLOAD_STALL_MS: '500' },
})
/** Node looks for overdue connections once a second; the rest is for a busy machine. */
const generousMs = 8_000
const host = 'Host: localhost'

afterAll(async () => {
  const service = shared()
  expect(service.log.filter(({ status, level }) => status === 500 || level === 'error')).toEqual([])
  await eventually(async () => !/probe|livez|openapi/.test(await liveContexts(service)))
})

test.for([
  ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
  ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['chunks that are not the last coding', 'Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n'],
  ['a blank before the colon', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
  ['a length that is not a number', 'Content-Length: +5\r\n\r\nhello'],
  ['a length beyond counting', 'Content-Length: 99999999999999999999\r\n\r\n'],
  ['a chunk without a size', 'Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n'],
  ['a header that is folded', 'A: b\r\n c\r\n\r\n'],
  ['a NUL in a header', 'A: b\0c\r\n\r\n'],
] as const)('%s is 400, and no request behind it is served', async ([, rest]) => {
  const client = connection(shared())

  client.send(`POST /probe/echo HTTP/1.1\r\n${host}\r\n${rest}GET /livez HTTP/1.1\r\n${host}\r\n\r\n`)

  const received = await client.closed
  expect(received).toMatch(/^HTTP\/1.1 400 /)
  expect(received).not.toContain('200 OK')
})

test('a broken body closes the connection, also if its request has been refused for another reason', async () => {
  const client = connection(shared())

  client.send(`POST /nowhere HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n`)

  expect(await client.closed).toMatch(/^HTTP\/1.1 40[04] [^]*\r\nconnection: close\r\n/i)
})

test('headers of more than 16 KB are 431, and so are more than 200 headers', async () => {
  const large = connection(shared())
  large.send(`GET /livez HTTP/1.1\r\n${host}\r\nA: ${'x'.repeat(17_000)}\r\n\r\n`)
  expect(await large.closed).toMatch(/^HTTP\/1.1 431 /)

  const sendHeaders = (count: number) => {
    const client = connection(shared())
    client.send(`GET /livez HTTP/1.1\r\n${host}\r\n${'A: b\r\n'.repeat(count - 2)}Connection: close\r\n\r\n`)
    return client.closed
  }
  expect(await sendHeaders(200)).toMatch(/^HTTP\/1.1 200 /)
  for (const count of [201, 202, 1_000]) expect(await sendHeaders(count)).toMatch(/^HTTP\/1.1 431 /)
})

test.for([
  ['a connection that says nothing', ''],
  ['headers that come one by one', `GET /livez HTTP/1.1\r\n${host}\r\n`],
  [
    'a body that comes byte by byte',
    `POST /probe/echo HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{`,
  ],
  ['a body that no route reads', `GET /livez HTTP/1.1\r\n${host}\r\nContent-Length: 5000\r\n\r\n`],
] as const)('%s is closed in time', { concurrent: true }, async ([, start]) => {
  const client = connection(shared())
  const startedAt = performance.now()
  if (start !== '') client.send(start)
  const dripping = setInterval(() => start !== '' && client.send('A:b\r\n'), 100)

  await client.closed

  clearInterval(dripping)
  expect(performance.now() - startedAt).toBeLessThan(generousMs)
})

test('if a client does not read its answers, its connection is closed soon after the deadline and nothing is left behind', async () => {
  const service = shared()
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  // More than the buffers between service and client.
  socket.write(`GET /probe/large HTTP/1.1\r\n${host}\r\n\r\n`.repeat(2))

  await service.line(({ path, cause }) => path === '/probe/large' && cause === 'DeadlineExceeded')

  // The client can still read the buffered bytes, and then the end.
  socket.resume()
  await closed
})

test('JSON of any depth and width is accepted or refused', async () => {
  const { url } = shared()
  const depth = 200_000
  const bodies = [
    '['.repeat(depth) + ']'.repeat(depth),
    '['.repeat(depth),
    `{"text":${'['.repeat(depth)}`,
    '{"a":'.repeat(depth / 4),
    `[${'{},'.repeat(depth)}{}]`,
    '{"__proto__":{"text":"x"}}',
    '{"text":"\\ud800"}',
    '{"text":"\\u0000"}',
  ]
  const statuses: number[] = []
  for (const body of bodies) {
    const headers = { 'content-type': 'application/json' }
    statuses.push((await fetch(`${url}/probe/echo`, { method: 'POST', body, headers })).status)
  }
  expect(statuses).toEqual([400, 400, 400, 400, 400, 400, 400, 200])
})

test('requests with randomly changed bytes are closed, or answered with something other than 500', async () => {
  const service = shared()
  const good = Buffer.from(
    `POST /probe/echo?times=2 HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"tex\r\na\r\nt":"okay"}\r\n0\r\n\r\n`,
  )
  const change = fc.record({
    at: fc.nat(good.length),
    cut: fc.nat(8),
    put: fc.oneof(
      fc.constantFrom(
        '',
        '\r\n',
        '\0',
        '%',
        '../',
        'Content-Length: 3\r\n',
        'Host: [\r\n',
        'HTTP/1.0',
        '*',
        '//',
        '\\',
      ),
      fc.string({ unit: 'binary', maxLength: 10 }),
    ),
  })
  const statuses = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const client = connection(service)
      const bytes = changes.reduce(
        (sofar, { at, cut, put }) =>
          Buffer.concat([sofar.subarray(0, at), Buffer.from(put), sofar.subarray(at + cut)]),
        good,
      )
      client.send(bytes.toString('latin1'))
      const answered = client.received('\r\n\r\n').catch(() => client.closed)
      // A request that still waits for bytes has its usual time limit, for which the test does not wait.
      const text = await Promise.race([answered, delay(50, '')])
      client.hangUp()
      const status = /^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? 'none'
      statuses.add(status)
      expect(status).not.toBe('500')
    }),
    { numRuns: 150 },
  )
  // Otherwise the parser has refused all of them, which would prove little.
  expect(statuses.size).toBeGreaterThan(2)
  expect((await fetch(`${service.url}/livez`)).status).toBe(200)
})

test('pages load nothing from other sites and cannot be framed, and no response names the software', async () => {
  const { url, adminUrl } = shared()
  for (const page of [`${url}/docs`, `${adminUrl}/debug/contexts`]) {
    const { headers } = await fetch(page, { headers: { accept: 'text/html' } })
    expect(headers.get('content-security-policy'), page).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(headers.get('x-content-type-options'), page).toBe('nosniff')
    expect(headers.get('referrer-policy'), page).toBe('no-referrer')
  }
  for (const path of ['/docs', '/livez', '/nowhere', '/openapi.json', '/probe/echo']) {
    const { headers } = await fetch(url + path)
    for (const name of ['x-powered-by', 'server', 'via']) expect(headers.has(name), path).toBe(false)
  }
})
