/**
 * Promise: The service sends what a handler returns unchanged, or answers 500: no invalid answer reaches a client or stops the service.
 * Go: `http.ResponseWriter` panics or drops what cannot be sent, and the server goes on
 * Held by: src/platform/http/answer.ts, src/platform/http/answer-body.ts
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { connection, eventually, liveContexts, open } from '../../support/client.ts'
import { sharedService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const shared = sharedService({ probe: proofs })

test.for([
  ['a response', 'response', 'GET'],
  ['a promised response', 'promise', 'GET'],
  ['the HEAD of a response', 'response', 'HEAD'],
  ['a stream', 'stream', 'GET'],
  ['the HEAD of a stream', 'stream', 'HEAD'],
] as const)(
  '%s with an invalid header is 500, and none of the intended response is sent',
  async ([, as, method]) => {
    const service = shared()
    const id = `unsendable-${as}-${method}`

    const response = await fetch(`${service.url}/probe/unsendable?as=${as}`, {
      method,
      headers: { 'x-request-id': id },
    })

    expect(response.status).toBe(500)
    expect(response.statusText).toBe('Internal Server Error')
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.has('x-sendable')).toBe(false)
    if (method === 'GET') expect(await response.json()).toMatchObject({ status: 500 })
    const line = await service.line(({ requestId }) => requestId === id)
    expect(line).toMatchObject({ level: 'error', status: 500, err: { type: 'InvalidAnswer' } })
  },
)

const odd = [
  'status 99',
  'status 101',
  'status 1000',
  'status 200.5',
  '204 with a body',
  '304 with a body',
  'a stream of status 99',
  'a stream of status 204',
  'a name of a header',
  'Trailer',
  'Transfer-Encoding',
  'a stream with Transfer-Encoding',
  'a stream with Trailer',
  'a stream with two lengths',
  'a stream with the length 0x1',
  'a stream with the length +1',
  'a stream with the length 01',
  'a stream with the length 1e0',
  'a stream with the length -1',
  'a stream with no length',
  'a stream with the length x',
  'a web stream with the length 0x1',
  'a locked body',
  'a body that was read',
  'a problem of status 99',
  'a problem of status 200',
  'a frozen error',
  'an error with a toJSON that throws',
  'a problem with a header',
  'a problem of status NaN',
  'undefined',
  'null',
  'an object',
  'text',
  'a thrown text',
  'an error whose message throws',
  'an error whose name throws',
  'an error whose cause throws',
  'an object whose message throws',
  'a Proxy',
]
test.for(odd)(
  'a response that HTTP does not allow (%s) is 500, whether the handler is async or not, and the service keeps running',
  async (what) => {
    const service = shared()
    for (const as of ['response', 'promise']) {
      const id = `${what}-${as}`.replaceAll(' ', '-')
      const url = `${service.url}/probe/odd?as=${as}&what=${encodeURIComponent(what)}`

      const response = await fetch(url, { headers: { 'x-request-id': id } })

      expect(response.status).toBe(500)
      expect(await response.json()).toMatchObject({ title: 'Internal Server Error', requestId: id })
      const line = await service.line(({ requestId }) => requestId === id)
      expect(line).toMatchObject({ level: 'error', status: 500 })
    }
    expect((await fetch(`${service.url}/livez`)).status).toBe(200)
  },
)

test.for([
  ['node', '7'],
  ['node', '3'],
  ['web', '7'],
  ['web', '3'],
  ['blob', '7'],
  ['blob', '3'],
])(
  'a stream (%s) whose length differs from its content-length (%s) closes the connection and logs an error',
  async ([of, says]) => {
    const service = shared()
    const id = `length-${of}-${says}`
    const client = connection(service)
    const headers = `Host: localhost\r\nx-request-id: ${id}`

    client.send(`GET /probe/length?of=${of}&says=${says} HTTP/1.1\r\n${headers}\r\n\r\n`)

    const [, body = ''] = (await client.closed).split('\r\n\r\n')
    expect(body.length).toBeLessThanOrEqual(Number(says))
    const line = await service.line(({ requestId }) => requestId === id)
    expect(line).toMatchObject({ level: 'error', status: 200 })
    const message = /handler of GET \/probe\/length \(.*probe\.routes\.\w+:\d+:\d+\) .* its Content-Length/
    expect(line).toMatchObject({ err: { message: expect.stringMatching(message) as string } })
  },
)

test.for([
  ['a stream of numbers', 500],
  ['a stream of bytes, then objects', 200],
  ['a stream of objects', 200],
] as const)(
  'an impossible body (%s) is %i, closes its connection if it has begun, and the service goes on',
  async ([what, status]) => {
    const service = shared()
    const id = what.replaceAll(' ', '-')
    const client = connection(service)
    const headers = `Host: localhost\r\nx-request-id: ${id}${status === 500 ? '\r\nConnection: close' : ''}`

    client.send(`GET /probe/odd?as=response&what=${encodeURIComponent(what)} HTTP/1.1\r\n${headers}\r\n\r\n`)

    // The last chunk would mark the answer as complete.
    expect(await client.closed).not.toContain('\r\n0\r\n')
    const line = await service.line(({ requestId }) => requestId === id)
    expect(line).toMatchObject({ level: 'error', status, err: { type: 'InvalidAnswer' } })
    expect((await fetch(`${service.url}/livez`)).status).toBe(200)
    expect(service.log.filter(({ msg }) => msg === 'unhandled fault')).toEqual([])
  },
)

test('a stream that has another reader too arrives whole', async () => {
  const what = encodeURIComponent('a stream that is counted, too')

  for (let i = 0; i < 20; i++) {
    const response = await fetch(`${shared().url}/probe/odd?as=response&what=${what}`)

    expect(await response.text()).toBe('abc')
  }
})

test('a stream that has failed is a problem, with the headers of every answer', async () => {
  const what = encodeURIComponent('a stream that has failed')

  const response = await fetch(`${shared().url}/probe/odd?as=response&what=${what}`)

  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ detail: 'too early' })
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
})

test('a stream that begins after its client has left is recorded as 499', async () => {
  const service = shared()
  const client = connection(service)
  client.send('GET /probe/unhurried HTTP/1.1\r\nHost: localhost\r\nx-request-id: unhurried\r\n\r\n')
  await eventually(async () => (await liveContexts(service)).includes('/probe/unhurried'))

  client.hangUp()

  expect(await service.line(({ requestId }) => requestId === 'unhurried')).toMatchObject({ status: 499 })
})

test.for(['text', 'bytes', 'nothing'])(
  'a body (%s) whose length differs from its content-length is 500 before a byte is sent',
  async (of) => {
    const service = shared()
    for (const says of ['7', '3']) {
      const response = await fetch(`${service.url}/probe/length?of=${of}&says=${says}`)

      expect(response.status).toBe(500)
      expect(await response.json()).toMatchObject({ title: 'Internal Server Error' })
      const line = await service.line(({ requestId }) => requestId === response.headers.get('x-request-id'))
      const message =
        /handler of GET \/probe\/length \(.*probe\.routes\.\w+:\d+:\d+\) .* its Content-Length is /
      expect(line).toMatchObject({ err: { message: expect.stringMatching(message) as string } })
    }
    const right = of === 'nothing' ? '0' : '5'
    expect((await fetch(`${service.url}/probe/length?of=${of}&says=${right}`)).status).toBe(200)
  },
)

test('a body of any kind that matches its content-length is sent', async () => {
  const service = shared()
  for (const of of ['node', 'web', 'blob', 'text', 'bytes']) {
    const response = await fetch(`${service.url}/probe/length?of=${of}&says=5`)

    expect(response.headers.get('content-length')).toBe('5')
    expect(await response.text()).toBe('hello')
  }
})

test.for(['at once', 'text', 'node', 'web'])(
  'an answer of %s that comes before the timer of a deadline that has passed is 504',
  async (kind) => {
    const id = `held-up-${kind.replace(' ', '-')}`
    const response = await fetch(`${shared().url}/probe/held-up?with=${encodeURIComponent(kind)}`, {
      headers: { 'x-request-id': id },
    })

    expect(response.status).toBe(504)
    expect(await response.json()).toMatchObject({ status: 504 })
    const line = await shared().line(({ requestId }) => requestId === id)
    expect(line).toMatchObject({ status: 504, cause: 'DeadlineExceeded' })
  },
)

test('a refusal that is sent when the deadline has passed is recorded as the refusal, not as the deadline', async () => {
  const service = shared()
  const response = await fetch(`${service.url}/probe/held-up?with=refusal`, {
    headers: { 'x-request-id': 'held-up-refusal' },
  })

  expect(response.status).toBe(503)
  const line = await service.line(({ requestId }) => requestId === 'held-up-refusal')
  expect(line).toMatchObject({ status: 503, err: { message: 'busy' } })
  expect(line).not.toHaveProperty('cause')
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
  const counted = metrics.split('\n').find((text) => /_count\{.*"503".*held-up/.test(text))
  expect(counted).toContain('error_type="Problem"')
})

test('a web stream that nobody reads is cancelled: HEAD, 304, a client that hung up, an answer after the deadline', async () => {
  const service = shared()
  const url = `${service.url}/probe/web-stream`

  for (let round = 0; round < 3; round++) {
    const head = await fetch(`${url}?seconds=0&status=200`, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect((await fetch(`${url}?seconds=0&status=304`)).status).toBe(500)
    const left = new AbortController()
    const begun = await fetch(`${url}?seconds=0&status=200`, { signal: left.signal })
    await begun.body?.getReader().read()
    left.abort()
    const early = open(`${url}?seconds=0.3&status=200`)
    await eventually(async () => (await liveContexts(service)).includes('/probe/web-stream'))
    early.hangUp()
    const late = await fetch(`${url}?seconds=0.3&status=200`, {
      headers: { 'x-envoy-expected-rq-timeout-ms': '50' },
    })
    expect(late.status).toBe(504)
  }

  await eventually(async () => (await (await fetch(`${service.url}/probe/open-web-streams`)).json()) === 0)
})

test.for([
  [
    'undefined',
    /what the handler of GET \/probe\/odd .*probe\.routes\.\w+:\d+:\d+\) returned cannot be sent: it is undefined; return a Response/,
  ],
  ['status 99', /handler of GET \/probe\/odd .*probe\.routes\.\w+:\d+:\d+\) returned .*: its status is 99,/],
  [
    'a body that was read',
    /handler of GET \/probe\/odd .*probe\.routes\.\w+:\d+:\d+\) .*: its body has been read/,
  ],
  ['a locked body', /handler of GET \/probe\/odd .*probe\.routes\.\w+:\d+:\d+\) .* locked/],
  ['Trailer', /handler of GET \/probe\/odd .*probe\.routes\.\w+:\d+:\d+\) .*: it has a header Trailer/i],
  ['a name of a header', /handler of GET \/probe\/odd .*probe\.routes\.\w+:\d+:\d+\) .* header/i],
  [
    'a thrown text',
    /the handler of GET \/probe\/odd .*probe\.routes\.\w+:\d+.* not an Error: the secret of the inside/,
  ],
] as const)(
  '%s: the log names the route, its file and its line, and hides them from the client',
  async ([what, message]) => {
    const service = shared()
    for (const as of ['response', 'promise']) {
      const id = `named-${what}-${as}`.replaceAll(' ', '-')
      const url = `${service.url}/probe/odd?as=${as}&what=${encodeURIComponent(what)}`
      const response = await fetch(url, { headers: { 'x-request-id': id } })

      expect(await response.text()).not.toMatch(/probe\/odd|secret/)
      const line = await service.line(({ requestId }) => requestId === id)
      expect(line).toMatchObject({ err: { message: expect.stringMatching(message) as string } })
    }
  },
)

test('a Response of fetch is sent decoded, without the headers of the encoded body', async (t) => {
  const encoded = gzipSync('hello')
  const peer = createServer((_request, response) => {
    response.setHeader('content-encoding', 'gzip').setHeader('content-length', encoded.length)
    response.setHeader('x-kept', 'yes').end(encoded)
  })
  await once(peer.listen(0, '127.0.0.1'), 'listening')
  t.onTestFinished(() => void peer.close())
  const { port } = peer.address() as AddressInfo

  const { answer } = open(`${shared().url}/probe/fetched?url=http://127.0.0.1:${port}/`)

  const { status, headers, body } = await answer
  expect({ status, body }).toEqual({ status: 200, body: 'hello' })
  expect(headers).toMatchObject({ 'x-kept': 'yes', 'transfer-encoding': 'chunked' })
  expect(headers).not.toHaveProperty('content-encoding')
})
