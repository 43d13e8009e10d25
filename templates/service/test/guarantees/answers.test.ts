/**
 * Promise: An error response names the mistake in the request and reveals no internals.
 * Go: handlers return an `error`, and one function writes it: `respond(w, statusOf(err), err)`
 * Held by: src/platform/http/boundary.ts, src/platform/problem.ts, src/platform/http/input.ts
 */
import { describe, expect, test } from 'vitest'
import { connection, eventually, liveContexts } from '../support/client.ts'
import { sharedService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true, env: { BODY_MAX_BYTES: '1000' } })

describe('a response:', () => {
  test('an invalid query or body is 400 with the reason for each field', async () => {
    const service = shared()

    const response = await post(service, '/probe/echo?times=9', JSON.stringify({ text: 5 }))

    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({
      detail: 'the request is invalid; see errors',
      errors: [
        { field: 'query.times', message: 'must be at most 3, was 9' },
        { field: 'body.text', message: 'must be text, was 5' },
      ],
    })
  })

  test('a malformed JSON body is 400, another content type 415, a body that is too large 413', async () => {
    const service = shared()

    const text = JSON.stringify({ text: 'x' })
    const latin1 = { 'content-type': 'application/json; charset=latin1' }
    const refusals: [Record<string, string>, string, number, string][] = [
      [{}, '{', 400, 'the body is not JSON: '],
      [{ 'content-type': 'text/plain' }, 'x', 415, 'expected application/json, got text/plain'],
      [latin1, text, 415, 'expected JSON in UTF-8, got application/json; charset=latin1'],
      [{ 'content-encoding': 'gzip' }, text, 415, 'expected a body without a Content-Encoding, got gzip'],
      [{}, text.padEnd(2_000), 413, 'the body is larger than 1000 bytes (BODY_MAX_BYTES)'],
    ]
    for (const [headers, body, status, detail] of refusals) {
      const response = await post(service, '/probe/echo', body, headers)
      expect(response.status).toBe(status)
      expect(await response.json()).toMatchObject({ detail: expect.stringContaining(detail) as string })
      if (headers['content-encoding']) expect(response.headers.get('accept-encoding')).toBe('identity')
    }
    const twice = await post(service, '/probe/echo?times=1&times=2', text)
    expect(await twice.json()).toMatchObject({
      status: 400,
      errors: [{ field: 'query.times', message: 'comes more than once' }],
    })
    expect((await post(service, '/probe/echo', text)).status).toBe(200)
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

  test('GET / says where to go: a page for a browser, JSON for others', async () => {
    const { url } = shared()

    const json = await fetch(url)
    expect(json.headers.get('vary')).toBe('accept')
    const { links } = (await json.json()) as { links: string[] }
    expect(links).toEqual(['/docs', '/openapi.json', '/livez', '/readyz'])
    for (const link of links) expect((await fetch(url + link)).status).toBe(200)

    const page = await fetch(url, { headers: { accept: 'text/html,*/*;q=0.8' } })
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toMatch(
      /<a href="\/docs">\/docs<\/a><\/dt>\s*<dd>The documentation of this API<\/dd>/,
    )
  })

  test('an unknown path is 404 with the request id', async () => {
    const service = shared()

    const response = await fetch(`${service.url}/nowhere`, { headers: { 'x-request-id': 'mine' } })

    expect(response.status).toBe(404)
    expect(response.headers.get('x-request-id')).toBe('mine')
    expect(await response.json()).toMatchObject({ title: 'Not Found', requestId: 'mine' })
  })

  test('a handler that leaves a group unwaited is 500, and the log names the place; a 404 that it throws stays 404', async () => {
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
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(service.url + path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  })
}
