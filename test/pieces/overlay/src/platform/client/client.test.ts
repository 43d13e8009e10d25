import { createServer } from 'node:net'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { describe, expect, test, vi, type TestContext } from 'vitest'
import { z } from 'zod'
import { startCollector } from '../../../test/support/otlp.ts'
import { startPeer } from '../../../test/support/peer.ts'
import { recordedLog } from '../../../test/proofs/support/recorded-log.ts'
import {
  DeadlineExceeded,
  liveContexts,
  withCancel,
  withTimeout,
  withValue,
  type Context,
} from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { CallFailed } from './call-failed.ts'
import { createClient } from './client.ts'
import { problemOf } from '../problem.ts'
import { requestKey } from '../request.ts'
import { span } from '../telemetry/span.ts'
import { startTelemetry } from '../telemetry/telemetry.ts'

describe('what is sent', () => {
  test('the path below the base, the body as JSON, and the headers of the request', async (t) => {
    const peer = await startPeer(t, (response) => response.end('{"id":"7"}'))
    const ctx = withValue(testContext(t), requestKey, { id: 'mine', method: 'GET', path: '/' })
    const client = createClient({ baseUrl: `${peer.url}/v1/` })

    const account = await client.json(ctx, '/accounts?dry=1', z.object({ id: z.string() }), {
      method: 'POST',
      json: { owner: 'me' },
      headers: { 'x-request-id': 'not this one', authorization: 'Bearer token' },
    })

    expect(account).toEqual({ id: '7' })
    const [received] = peer.received
    expect(received).toMatchObject({ method: 'POST', url: '/v1/accounts?dry=1', body: '{"owner":"me"}' })
    expect(received?.headers).toMatchObject({
      'x-request-id': 'mine',
      authorization: 'Bearer token',
      'content-type': 'application/json',
    })
    expect(received?.headers).not.toHaveProperty('x-envoy-expected-rq-timeout-ms')
  })

  test('exactly the path that the caller gives', async (t) => {
    const peer = await startPeer(t, (response) => response.end())
    const client = createClient({ baseUrl: `${peer.url}/v1` })
    const paths = {
      '/': '/',
      '//elsewhere/x': '//elsewhere/x',
      '/a b?c d': '/a%20b?c%20d',
      '/ü': '/%C3%BC',
      [`/${encodeURIComponent('../\\\t#')}`]: '/..%2F%5C%09%23',
      '/..a/...': '/..a/...',
      '/?../..': '/?../..',
    }

    for (const path of Object.keys(paths)) await client.text(testContext(t), path)

    expect(peer.received.map(({ url }) => url)).toEqual(Object.values(paths).map((path) => `/v1${path}`))
  })

  test('the milliseconds left of the deadline, fewer with each attempt', async (t) => {
    const peer = await startPeer(t, (response, number) => response.writeHead(number < 3 ? 503 : 200).end())
    using ctx = withTimeout(testContext(t), 5_000)
    const startedAt = performance.now()

    await createClient({ baseUrl: peer.url }).text(ctx, '/')

    const left = peer.received.map(({ headers }) => String(headers['x-envoy-expected-rq-timeout-ms']))
    for (const value of left) expect(value).toMatch(/^\d+$/)
    const [first = 0, second = 0, third = 0] = left.map(Number)
    expect(first).toBeLessThanOrEqual(5_000)
    expect(first - second).toBeGreaterThanOrEqual(45)
    expect(second - third).toBeGreaterThanOrEqual(95)
    expect(third).toBeGreaterThanOrEqual(4_990 - (performance.now() - startedAt))
  })

  test('nothing, if ctx has ended or less than a millisecond is left', async (t) => {
    const peer = await startPeer(t, (response) => response.end())
    const client = createClient({ baseUrl: peer.url })
    using over = withTimeout(testContext(t), 0)
    using short = withTimeout(testContext(t), 0.9)

    await expect(client.text(over, '/')).rejects.toBe(DeadlineExceeded)
    await expect(client.text(short, '/')).rejects.toBe(DeadlineExceeded)

    expect(peer.received).toEqual([])
  })

  test('nothing, if the base or the path is invalid', async (t) => {
    const ctx = testContext(t)
    for (const baseUrl of [
      'payments',
      'ftp://payments',
      'http://user:secret@payments',
      'http://payments?a=b',
    ])
      expect(() => createClient({ baseUrl }), baseUrl).toThrow(/expected a baseUrl(?!.*secret)/)

    const client = createClient({ baseUrl: 'http://127.0.0.1:1' })
    for (const path of ['accounts', '@elsewhere/', ''])
      await expect(client.text(ctx, path), path).rejects.toThrow('begins with a slash')
    for (const path of [
      '/a\\..\\..\\admin',
      '/\\evil',
      '/.\t./admin',
      '/.\n./admin',
      '/.\r./admin',
      '/.. ',
      '/..\u00a0',
    ])
      await expect(client.text(ctx, path), path).rejects.toThrow('encoded with encodeURIComponent')
    for (const path of ['/a#b', '/..#', '/a?b=\t', '/\0', '/\ud800', '/?a=\\'])
      await expect(client.text(ctx, path), path).rejects.toThrow('encoded with encodeURIComponent')
    for (const path of ['/accounts/..', '/accounts/../admin?a=b', '/accounts/.%2E', '/%2e/', '/..?a'])
      await expect(client.text(ctx, path), path).rejects.toThrow('without the segments . and ..')
  })
})

describe('when ctx ends', () => {
  test('before the answer: the call rejects with the cause, and the peer sees that its client left', async (t) => {
    const ctx = testContext(t)
    using request = withCancel(ctx)
    const reason = new Error('no longer wanted')
    const peer = await startPeer(t, () => request.cancel(reason))

    await expect(createClient({ baseUrl: peer.url }).text(request, '/')).rejects.toBe(reason)

    expect(await peer.received[0]?.ended).toBe(false)
    expect(peer.received).toHaveLength(1)
    expect(liveContexts(ctx).children).toEqual([])
  })

  test.for([200, 503])('while a %i is read: the same', async (status, t) => {
    using request = withCancel(testContext(t))
    const reason = new Error('no longer wanted')
    const peer = await startPeer(t, (response) => {
      response.writeHead(status).write('the beginning')
      // Gives the beginning time to arrive.
      setTimeout(() => request.cancel(reason), 50)
    })

    await expect(createClient({ baseUrl: peer.url }).text(request, '/')).rejects.toBe(reason)

    expect(await peer.received[0]?.ended).toBe(false)
    expect(peer.received).toHaveLength(1)
  })

  test('while the client waits for the next attempt: the call rejects at once', async (t) => {
    using request = withCancel(testContext(t))
    const reason = new Error('no longer wanted')
    const peer = await startPeer(t, (response) => {
      response.writeHead(503, { 'retry-after': '9' }).end()
      setTimeout(() => request.cancel(reason), 50)
    })

    await expect(createClient({ baseUrl: peer.url }).text(request, '/')).rejects.toBe(reason)

    expect(peer.received).toHaveLength(1)
  })

  test('while the body of fetch is read: it ends with the cause, and so does the connection', async (t) => {
    using request = withCancel(testContext(t))
    const reason = new Error('no longer wanted')
    const peer = await startPeer(t, (response) => response.write('the beginning'))
    const { status, body } = await createClient({ baseUrl: peer.url }).fetch(request, '/')
    const reading = buffer(body)

    request.cancel(reason)

    await expect(reading).rejects.toBe(reason)
    expect(status).toBe(200)
    expect(await peer.received[0]?.ended).toBe(false)
  })

  test('while nobody reads the body of fetch: nothing is left open', async (t) => {
    using request = withCancel(testContext(t))
    const peer = await startPeer(t, (response) => response.write('the beginning'))
    await createClient({ baseUrl: peer.url }).fetch(request, '/')

    request.cancel()

    expect(await peer.received[0]?.ended).toBe(false)
  })
})

test('a peer that takes longer than the call may is a CallFailed with `timeout`, and sees its client leave', async (t) => {
  const ctx = testContext(t)
  const peer = await startPeer(t, (response) => response.write('the beginning'))
  const client = createClient({ baseUrl: peer.url, name: 'payments', timeoutMs: 10_000 })

  const failure = await failureOf(client.text(ctx, '/slow?secret=1', { timeoutMs: 500 }))

  expect(failure.message).toBe('payments: GET /slow: no answer within 500 ms')
  expect(failure.how).toBe('timeout')
  expect(peer.received[0]?.headers['x-envoy-expected-rq-timeout-ms']).toMatch(/^(500|[1-4]?\d?\d)$/)
  expect(await peer.received[0]?.ended).toBe(false)
  expect(ctx.err).toBeUndefined()
})

test('a client’s own timeout limits every call, and no call can extend it', async (t) => {
  const peer = await startPeer(t, () => undefined)
  const client = createClient({ baseUrl: peer.url, name: 'payments', timeoutMs: 100 })

  const failure = await failureOf(client.text(testContext(t), '/', { timeoutMs: 10_000 }))

  expect(failure.message).toBe('payments: GET /: no answer within 100 ms')
})

describe('fetch', () => {
  test('returns headers to pass on: none of the connection, none of the compression', async (t) => {
    const peer = await startPeer(t, (response, number) => {
      const content = gzipSync('x'.repeat(1_000))
      const coding = number === 1 ? 'gzip' : 'x-own'
      response.setHeader('content-encoding', coding).setHeader('content-length', content.length)
      response.setHeader('connection', '(odd), X-Hop').setHeader('x-hop', 'of the connection')
      response.setHeader('x-peer', 'kept').end(content)
    })
    const client = createClient({ baseUrl: peer.url })

    const undone = await client.fetch(testContext(t), '/')
    const kept = await client.fetch(testContext(t), '/')

    expect(Object.fromEntries(undone.headers)).toEqual({
      'x-peer': 'kept',
      date: expect.any(String) as string,
    })
    expect(await buffer(undone.body)).toHaveLength(1_000)
    const bytes = await buffer(kept.body)
    expect(Object.fromEntries(kept.headers)).toMatchObject({
      'content-encoding': 'x-own',
      'content-length': String(bytes.length),
    })
  })

  test('passes on status, headers and body, and its context ends with the body', async (t) => {
    const ctx = testContext(t)
    const peer = await startPeer(t, (response) => response.writeHead(206, { etag: '"1"' }).end('all of it'))

    const { status, headers, body } = await createClient({ baseUrl: peer.url, name: 'files' }).fetch(ctx, '/')

    expect(liveContexts(ctx).children).toMatchObject([{ name: 'files: GET /' }])
    expect([status, headers.get('etag'), String(await buffer(body))]).toEqual([206, '"1"', 'all of it'])
    await expect.poll(() => liveContexts(ctx).children).toEqual([])
  })

  test('leaves nothing behind without a body, nor after a refusal', async (t) => {
    const ctx = testContext(t)
    const peer = await startPeer(t, (response, number) => response.writeHead(number === 1 ? 204 : 404).end())
    const client = createClient({ baseUrl: peer.url })

    const { body } = await client.fetch(ctx, '/', { method: 'DELETE' })
    expect(String(await buffer(body))).toBe('')
    await expect(client.fetch(ctx, '/')).rejects.toMatchObject({ how: 'status', status: 404 })

    await expect.poll(() => liveContexts(ctx).children).toEqual([])
  })
})

describe('a call is repeated', () => {
  test.for([429, 502, 503, 504])(
    'after a %i, and its connection serves the next attempt',
    async (status, t) => {
      const peer = await startPeer(t, (response, number) =>
        number === 1 ? response.writeHead(status).end('not now') : response.end('done'),
      )

      expect(await createClient({ baseUrl: peer.url }).text(testContext(t), '/')).toBe('done')

      expect(peer.received).toHaveLength(2)
      expect(peer.connections()).toBe(1)
    },
  )

  test('after a connection that broke, before or during the answer', async (t) => {
    const peer = await startPeer(t, (response, number) => {
      if (number === 1) response.destroy()
      else if (number === 2) response.write('half', () => response.destroy())
      else response.end('done')
    })

    expect(await createClient({ baseUrl: peer.url }).text(testContext(t), '/', { method: 'PUT' })).toBe(
      'done',
    )
  })

  test('as often as the client allows, and rejects with the last failure', async (t) => {
    const peer = await startPeer(t, (response, number) => response.writeHead(503).end(`no ${number}`))
    const client = createClient({ baseUrl: peer.url, name: 'payments', attempts: 2 })

    const failure = await failureOf(client.text(testContext(t), '/accounts/7?secret=1'))

    expect(failure.message).toBe('payments: GET /accounts/7: answered 503 no 2')
    expect(peer.received).toHaveLength(2)
  })

  test.for([
    ['9'.repeat(400), '3600'],
    ['99999999999', '3600'],
    ['Fri, 31 Dec 9999 23:59:59 GMT', '3600'],
    ['0', '1'],
    ['-5', '1'],
    ['1e9', '1'],
    ['0x10', '1'],
    ['NaN', '1'],
    ['12/31/9999', '1'],
    ['Fri, 31 Dec 1999 23:59:59 GMT', '1'],
    ['', '1'],
  ])(
    'our own client gets the peer’s Retry-After, an hour at most, or a second if the peer gives none (%#)',
    async ([given, told], t) => {
      const peer = await startPeer(t, (response) => response.writeHead(503, { 'retry-after': given }).end())
      const ctx = testContext(t)

      const failure: unknown = await createClient({ baseUrl: peer.url, attempts: 1 })
        .text(ctx, '/')
        .catch((error: unknown) => error)

      expect(problemOf(ctx, failure).headers['retry-after']).toBe(told)
    },
  )

  test.for(['1', 'date'])('not before the peer’s Retry-After (%s)', async (form, t) => {
    // A date has whole seconds: this one is one to two seconds ahead.
    const value = form === 'date' ? new Date(Date.now() + 2_000).toUTCString() : form
    const peer = await startPeer(t, (response, number) =>
      number === 1 ? response.writeHead(503, { 'retry-after': value }).end() : response.end(),
    )

    await createClient({ baseUrl: peer.url }).text(testContext(t), '/')

    const [first, second] = peer.received
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(form === 'date' ? 900 : 1_000)
  })
})

describe('a call is not repeated', () => {
  test.for([
    ['a POST', {}, { method: 'POST' }, 503],
    ['a PUT whose caller forbids it', {}, { method: 'PUT', repeatable: false }, 503],
    ['after a failure that another attempt would repeat', {}, {}, 500],
    ['after a peer asked for more than ten seconds', { 'retry-after': '11' }, {}, 503],
    ['after a redirect, which it does not follow', { location: '/' }, {}, 302],
  ] as const)('%s', async ([, headers, call, status], t) => {
    const peer = await startPeer(t, (response) => response.writeHead(status, headers).end())

    const failure = await failureOf(createClient({ baseUrl: peer.url }).text(testContext(t), '/', call))

    expect(failure).toMatchObject({ how: 'status', status })
    expect(peer.received).toHaveLength(1)
  })

  test('but a POST is, if its caller says that it may be', async (t) => {
    const peer = await startPeer(t, (response, number) => response.writeHead(number === 1 ? 503 : 200).end())

    await createClient({ baseUrl: peer.url }).text(testContext(t), '/', {
      method: 'POST',
      body: 'again',
      repeatable: true,
    })

    expect(peer.received.map(({ body }) => body)).toEqual(['again', 'again'])
  })

  test('if the deadline leaves no room: the call rejects at once', async (t) => {
    using ctx = withTimeout(testContext(t), 900)
    const peer = await startPeer(t, (response) => response.writeHead(503, { 'retry-after': '1' }).end())

    await expect(createClient({ baseUrl: peer.url }).text(ctx, '/')).rejects.toBeInstanceOf(CallFailed)

    expect(ctx.err).toBeUndefined()
    expect(peer.received).toHaveLength(1)
  })

  test('once the retries have reached ten and a tenth of the calls: retries do not storm an overloaded peer', async (t) => {
    const ctx = testContext(t)
    const peer = await startPeer(t, (response) => response.writeHead(503).end())
    const client = createClient({ baseUrl: peer.url })

    await Promise.allSettled(Array.from({ length: 50 }, () => client.text(ctx, '/')))

    // All calls have earned their part before the first is repeated, and the budget saves up at most ten.
    expect(peer.received).toHaveLength(60)
  })
})

describe('the error about a bad answer names the peer and what is wrong', () => {
  const schema = z.object({ id: z.string(), owner: z.object({ name: z.string() }) })

  test.for([
    ['no JSON', '<html>', 'payments: GET /: the answer is not JSON'],
    [
      'broken bytes',
      Buffer.from([0x22, 0xff, 0x22]),
      'payments: GET /: the answer is not JSON: its bytes are not UTF-8',
    ],
    ['a number that is not a double', '{"id":1e400}', 'the number 1e400 at 6 cannot be kept exactly'],
    [
      'other JSON',
      '{"id":1}',
      /^payments: GET \/: the answer is not as expected: id: must be text, was 1; owner: is required$/,
    ],
    ['JSON of another form', '[]', /expected: all of it: /],
    ['too large', `"${'x'.repeat(200)}"`, 'payments: GET /: the answer has more than 100 bytes'],
  ] as const)('%s', async ([, text, message], t) => {
    const peer = await startPeer(t, (response) => response.end(text))
    const client = createClient({ baseUrl: peer.url, name: 'payments', maxBytes: 100 })

    const failure = await failureOf(client.json(testContext(t), '/', schema))

    expect(failure.message).toMatch(message)
    expect(failure.how).toBe('answer')
    expect(peer.received).toHaveLength(1)
  })

  test('text is UTF-8: the client refuses invalid bytes and other charsets, and drops a byte order mark', async (t) => {
    const ctx = testContext(t)
    const peer = await startPeer(t, (response, number) => {
      if (number === 1) response.end('\ufeffhello')
      else if (number === 2) response.end(Buffer.from([0x68, 0xe9]))
      else response.writeHead(200, { 'content-type': 'text/plain; charset=iso-8859-1' }).end('hello')
    })
    const client = createClient({ baseUrl: peer.url, name: 'payments' })

    expect(await client.text(ctx, '/')).toBe('hello')
    await expect(client.text(ctx, '/')).rejects.toThrow('the answer is not text: its bytes are not UTF-8')
    await expect(client.text(ctx, '/')).rejects.toThrow(
      'the answer is not in UTF-8 but in text/plain; charset=iso',
    )
  })

  test('JSON may begin with a byte order mark', async (t) => {
    const peer = await startPeer(t, (response) => response.end('\ufeff{"id":"a","owner":{"name":"b"}}'))
    const client = createClient({ baseUrl: peer.url })
    expect(await client.json(testContext(t), '/', schema)).toEqual({ id: 'a', owner: { name: 'b' } })
  })

  test('an answer of exactly the allowed size is accepted; the client stops reading an answer that never ends', async (t) => {
    const ctx = testContext(t)
    const peer = await startPeer(t, (response, number) => {
      if (number === 1) response.end('x'.repeat(100))
      else response.write('x'.repeat(101))
    })
    const client = createClient({ baseUrl: peer.url, maxBytes: 100 })

    expect(await client.text(ctx, '/')).toHaveLength(100)
    await expect(client.text(ctx, '/')).rejects.toMatchObject({ how: 'answer' })

    expect(await peer.received[1]?.ended).toBe(false)
  })

  test('the client stops reading a refusal that never ends', async (t) => {
    const ctx = testContext(t)
    const peer = await startPeer(t, (response) => response.writeHead(500).write('x'.repeat(1_001)))

    const failure = await failureOf(createClient({ baseUrl: peer.url, name: 'p' }).text(ctx, '/'))

    expect(failure.message).toBe(`p: GET /: answered 500 ${'x'.repeat(1_000)}`)
    expect(await peer.received[0]?.ended).toBe(false)
  })

  test('a refusal whose body breaks off or does not end keeps its status, and does not use up the deadline', async (t) => {
    const ctx = testContext(t)
    using ample = withTimeout(ctx, 20_000)
    const peer = await startPeer(t, (response, number) => {
      response.writeHead(503, { 'retry-after': '7' })
      response.write('half', () => (number === 1 ? response.destroy() : undefined))
    })
    const client = createClient({ baseUrl: peer.url, name: 'p', attempts: 1 })

    for (const body of ['breaks off', 'does not end']) {
      const failure = await failureOf(client.text(ample, '/'))
      expect(failure, body).toMatchObject({ how: 'status', status: 503, retryAfterMs: 7_000 })
      expect(failure.message).toBe('p: GET /: answered 503 half')
    }

    expect(ample.err).toBeUndefined()
    expect(await peer.received[1]?.ended).toBe(false)
  })

  test('a peer that does not listen', async (t) => {
    const client = createClient({ baseUrl: `http://127.0.0.1:${await freePort()}`, attempts: 1 })

    const failure = await failureOf(client.text(testContext(t), '/'))

    expect(failure.how).toBe('connection')
    expect(failure.message).toMatch(/^127\.0\.0\.1:\d+: GET \/: connect ECONNREFUSED/)
  })

  test.for([
    [{ body: 'of a GET' }, 'body'],
    [{ headers: { expect: '100-continue' } }, /GET \/: expect header not supported$/],
    [{ headers: { 'transfer-encoding': 'chunked' } }, /GET \/: invalid transfer-encoding header$/],
    [{ method: 'PUT', body: 'a', headers: { 'content-length': '2' } }, /body length does not match/],
  ] as const)('a mistake of ours is not the peer’s failure: %j', async ([call, message], t) => {
    const peer = await startPeer(t, (response) => response.end())

    const failure = await createClient({ baseUrl: peer.url })
      .text(testContext(t), '/', call)
      .catch((error: unknown) => error)

    expect(failure).toBeInstanceOf(TypeError)
    expect(String(failure)).toMatch(message)
    expect(peer.received).toEqual([])
  })
})

test.for([
  [{ how: 'timeout' }, 504, undefined],
  [{ how: 'status', status: 504 }, 504, undefined],
  [{ how: 'connection' }, 503, '1'],
  [{ how: 'open', retryAfterMs: 9_001 }, 503, '10'],
  [{ how: 'status', status: 503, retryAfterMs: 2_500 }, 503, '3'],
  [{ how: 'status', status: 429 }, 503, '1'],
  [{ how: 'status', status: 503, retryAfterMs: Infinity }, 503, '3600'],
  [{ how: 'status', status: 503, retryAfterMs: Number.NaN }, 503, '1'],
  [{ how: 'status', status: 503, retryAfterMs: -1 }, 503, '1'],
  [{ how: 'status', status: 502 }, 502, undefined],
  [{ how: 'status', status: 404 }, 502, undefined],
  [{ how: 'answer' }, 502, undefined],
] as const)('for %j our own client gets a %i that hides the peer', ([failure, status, after], t) => {
  const problem = problemOf(testContext(t), new CallFailed('payments: GET /secret', failure))

  expect(problem.status).toBe(status)
  expect(problem.headers['retry-after']).toBe(after)
  expect(problem.message).not.toMatch(/payments|secret/)
  expect(problem.cause).toMatchObject({ message: 'payments: GET /secret' })
})

describe('each attempt is a span', () => {
  test('below the span of ctx, with the names of the HTTP conventions, and the peer gets it as its parent', async (t) => {
    const { ctx, spans } = await traced(t)
    const peer = await startPeer(t, (response, number) => response.writeHead(number === 1 ? 503 : 200).end())

    await span(ctx, 'above', {}, (ctx) => createClient({ baseUrl: peer.url }).text(ctx, '/accounts?secret=1'))

    const [first, second, above] = await spans()
    expect(first).toMatchObject({ name: 'GET', kind: 3, parentSpanId: above?.spanId, status: { code: 2 } })
    expect(first?.attributes).toEqual({
      'error.type': '503',
      'http.request.method': 'GET',
      'http.response.status_code': 503,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(peer.url).port),
      'url.full': `${peer.url}/accounts?secret=REDACTED`,
    })
    expect(second).toMatchObject({ parentSpanId: above?.spanId, status: { code: 0 } })
    expect(second?.attributes).toMatchObject({
      'http.request.resend_count': 1,
      'http.response.status_code': 200,
    })
    expect(second?.attributes).not.toHaveProperty('error.type')
    expect(peer.received.map(({ headers }) => headers['traceparent'])).toEqual(
      [first, second].map((sent) => `00-${sent?.traceId}-${sent?.spanId}-01`),
    )
  })

  test('an attempt that its caller gave up is not an error; one that was too slow is', async (t) => {
    const { ctx, spans } = await traced(t)
    using request = withCancel(ctx)
    const peer = await startPeer(t, (_response, number) => {
      if (number === 1) request.cancel(new Error('no longer wanted'))
    })
    const client = createClient({ baseUrl: peer.url })

    await client.text(request, '/').catch(() => undefined)
    await client.text(ctx, '/', { timeoutMs: 300 }).catch(() => undefined)

    const [givenUp, late] = await spans()
    expect(givenUp).toMatchObject({ status: { code: 0 }, events: [{ name: 'context.canceled' }] })
    expect(givenUp?.attributes).not.toHaveProperty('error.type')
    expect(late).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'DeadlineExceeded' } })
  })

  test('its error.type distinguishes a failed connection from a bad answer', async (t) => {
    const { ctx, spans } = await traced(t)
    const peer = await startPeer(t, (response) => response.end('no JSON'))
    const away = createClient({ baseUrl: `http://127.0.0.1:${await freePort()}`, attempts: 1 })

    await away.text(ctx, '/', { method: 'BREW' }).catch(() => undefined)
    await createClient({ baseUrl: peer.url })
      .json(ctx, '/', z.object({}))
      .catch(() => undefined)

    const [failed, bad] = await spans()
    expect(failed).toMatchObject({ name: 'HTTP', status: { code: 2 }, events: [{ name: 'exception' }] })
    expect(failed?.attributes).toMatchObject({
      'http.request.method': '_OTHER',
      'http.request.method_original': 'BREW',
      'error.type': 'connection',
    })
    expect(bad?.attributes).toMatchObject({ 'http.response.status_code': 200, 'error.type': 'answer' })
  })
})

async function failureOf(call: Promise<unknown>): Promise<CallFailed> {
  const failure: unknown = await call.catch((error: unknown) => error)
  if (failure instanceof CallFailed) return failure
  throw new Error(`expected a CallFailed, got ${String(failure)}`)
}

/** A port that nobody listens on: it was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A context with tracing. `spans` ends the tracing and returns the received spans in the order of their ends. */
async function traced(t: TestContext) {
  const collector = await startCollector(t)
  vi.stubEnv('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', `${collector.url}/v1/traces`)
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json')
  t.onTestFinished(() => void vi.unstubAllEnvs())
  const ctx: Context = testContext(t)
  const telemetry = await startTelemetry(ctx, { serviceName: 'shop', log: recordedLog() })
  return {
    ctx,
    async spans() {
      await telemetry.close(ctx)
      return collector.spans
    },
  }
}
