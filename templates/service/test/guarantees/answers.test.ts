/**
 * Promise: An error response names the mistake in the request and reveals no internals.
 * Go: handlers return an `error`, and one function writes it: `respond(w, statusOf(err), err)`
 * Held by: src/platform/http/boundary.ts, src/platform/problem.ts, src/platform/http/input.ts
 */
import { describe, expect, test } from 'vitest'
import { connection, eventually, liveContexts, open } from '../support/client.ts'
import { sharedService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true, env: { BODY_MAX_BYTES: '1000' } })

describe('a response:', () => {
  test('an invalid query or body is 400 with the reason for each field', async () => {
    const service = shared()

    const response = await post(service, '/probe/echo?times=9', JSON.stringify({ text: 5 }))

    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const problem = (await response.json()) as { errors: { field: string }[] }
    expect(problem.errors.map((error) => error.field)).toEqual(['query.times', 'body.text'])
  })

  test('a malformed JSON body is 400, another content type 415, a body that is too large 413', async () => {
    const service = shared()

    expect((await post(service, '/probe/echo', '{')).status).toBe(400)
    expect((await post(service, '/probe/echo', 'x', 'text/plain')).status).toBe(415)
    expect((await post(service, '/probe/echo', JSON.stringify({ text: 'x'.repeat(2_000) }))).status).toBe(413)
    expect((await post(service, '/probe/echo', JSON.stringify({ text: 'x' }))).status).toBe(200)
  })

  test('an endless body is 413, and the connection of a client that keeps sending is closed', async () => {
    const service = shared()
    const client = connection(service)
    const type = 'content-type: application/json\r\ntransfer-encoding: chunked'
    client.send(`POST /probe/echo HTTP/1.1\r\nHost: localhost\r\n${type}\r\nx-request-id: bomb\r\n\r\n`)
    client.send(`400\r\n${'x'.repeat(0x400)}\r\n`)

    expect(await client.received('"requestId":"bomb"')).toMatch(/^HTTP\/1.1 413 /)

    const sending = setInterval(() => client.send('1\r\nx\r\n'), 20)
    await client.closed
    clearInterval(sending)
    const line = await service.line((entry) => entry['requestId'] === 'bomb')
    expect(line).toMatchObject({ status: 413 })
  })

  test('HEAD sends the headers of GET and no body, streamed or not', async () => {
    const service = shared()

    for (const path of ['/livez', '/probe/stream?seconds=30']) {
      const response = await fetch(service.url + path, {
        method: 'HEAD',
        headers: { 'x-request-id': 'head' },
      })
      expect(response.status).toBe(200)
      expect(response.headers.get('x-request-id')).toBe('head')
      expect(response.headers.get('content-type')).toMatch(/^(application\/json|text\/plain)/)
      expect(await response.text()).toBe('')
    }
    await eventually(async () => !(await liveContexts(service)).includes('/probe/stream'))
  })

  test('no response header repeats what the client sent, except a valid request id', async () => {
    const service = shared()
    const client = connection(service)
    const lines = [
      'x-request-id: ev il',
      'origin: evil',
      'accept: evil',
      'traceparent: evil',
      'content-type: evil',
    ]
    client.send(`POST /probe/echo?evil HTTP/1.1\r\nHost: evil\r\n${lines.join('\r\n')}\r\n\r\n`)

    const received = await client.received('"requestId"')

    expect(received).toMatch(/^HTTP\/1.1 415 /)
    expect(received.split('\r\n\r\n')[0]).not.toMatch(/evil|ev il/)
    client.hangUp()
  })

  test('an unknown path is 404 with the request id', async () => {
    const service = shared()

    const response = await fetch(`${service.url}/nowhere`, { headers: { 'x-request-id': 'mine' } })

    expect(response.status).toBe(404)
    expect(response.headers.get('x-request-id')).toBe('mine')
    expect(await response.json()).toMatchObject({ title: 'Not Found', requestId: 'mine' })
  })

  test('a handler that leaves a group unwaited is 500, and the log names the place; its own 404 stands', async () => {
    const service = shared()

    const left = await fetch(`${service.url}/probe/left-group?by=return`, {
      headers: { 'x-request-id': 'left' },
    })
    expect(left.status).toBe(500)
    const line = await service.line((entry) => entry['requestId'] === 'left' && 'err' in entry)
    expect(JSON.stringify(line)).toMatch(
      /The group made at .*probe\.routes\.\w+.* was left before its work was waited for/,
    )

    expect((await fetch(`${service.url}/probe/left-group?by=exception`)).status).toBe(404)
  })

  test('a failure is 500 without its message; the log has the message and the stack', async () => {
    const service = shared()

    const response = await fetch(`${service.url}/probe/failure`, { headers: { 'x-request-id': 'failed' } })

    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret')
    const line = await service.line((entry) => entry['requestId'] === 'failed')
    expect(line).toMatchObject({ level: 'error', status: 500, err: { message: 'the secret of the inside' } })
    expect(JSON.stringify(line)).toContain('probe.routes')
  })

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
      expect(line).toMatchObject({ level: 'error', status: 500, err: { type: 'TypeError' } })
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
    'a problem with a header',
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
      expect(JSON.stringify(line['err'])).toContain(`Content-Length`)
    },
  )

  test.for(['a stream of numbers', 'a stream of bytes, then objects', 'a stream of objects'])(
    'a body that cannot be (%s): the connection is closed, and the service goes on',
    async (what) => {
      const service = shared()
      const id = what.replaceAll(' ', '-')
      const client = connection(service)
      const headers = `Host: localhost\r\nx-request-id: ${id}`

      client.send(
        `GET /probe/odd?as=response&what=${encodeURIComponent(what)} HTTP/1.1\r\n${headers}\r\n\r\n`,
      )

      // The last chunk would say that the answer is whole.
      expect(await client.closed).not.toContain('\r\n0\r\n')
      const line = await service.line(({ requestId }) => requestId === id)
      expect(line).toMatchObject({ level: 'error', status: 200, err: { type: 'TypeError' } })
      expect((await fetch(`${service.url}/livez`)).status).toBe(200)
      expect(service.log.filter(({ msg }) => msg === 'unhandled fault')).toEqual([])
    },
  )

  test.for(['text', 'bytes', 'nothing'])(
    'a body (%s) whose length differs from its content-length is 500 before a byte is sent',
    async (of) => {
      const service = shared()
      for (const says of ['7', '3']) {
        const response = await fetch(`${service.url}/probe/length?of=${of}&says=${says}`)

        expect(response.status).toBe(500)
        expect(await response.json()).toMatchObject({ title: 'Internal Server Error' })
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

  test.for(['node', 'web'])(
    'a stream (%s) that fails midway counts as an error of the service, not as a hang-up',
    async (of) => {
      const service = shared()
      const id = `broken-${of}`

      const answer = fetch(`${service.url}/probe/broken-stream?of=${of}`, { headers: { 'x-request-id': id } })

      await expect(answer.then((response) => response.text())).rejects.toThrow('terminated')
      const line = await service.line(({ requestId }) => requestId === id)
      expect(line).toMatchObject({ level: 'error', status: 200, err: { message: 'the disk has failed' } })
      expect(line).not.toHaveProperty('cause')
    },
  )

  test('a request id that is too long or not printable is replaced', async () => {
    const service = shared()
    for (const bad of ['x'.repeat(129), 'a b', 'ü']) {
      const response = await fetch(`${service.url}/livez`, { headers: { 'x-request-id': bad } })
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })
})

function post(
  service: RunningService,
  path: string,
  body: string,
  type = 'application/json',
): Promise<Response> {
  return fetch(service.url + path, { method: 'POST', body, headers: { 'content-type': type } })
}
