/**
 * Promise: Hono's middlewares work unchanged: they see the request's context, and their headers are on every answer.
 * Go: none
 * Held by: src/platform/http/middleware.ts, src/platform/http/behind.ts
 */
import { sign } from 'hono/jwt'
import { describe, expect, test } from 'vitest'
import { eventually, liveContexts, open, running } from '../../support/client.ts'
import { sharedService, startService } from '../../support/service.ts'
import { secret } from '../support/hono.routes.ts'

const probe = 'test/proofs/support/hono.routes.ts'
const service = sharedService({ probe, env: { REQUEST_TIMEOUT_MS: '1500' } })

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(service().url + path, { headers })

/** What each middleware adds to an answer, if the client sends `request`. */
const adds: readonly {
  name: string
  request?: Record<string, string> | (() => Promise<Record<string, string>>)
  headers: Record<string, unknown>
}[] = [
  { name: 'cors', headers: { 'access-control-allow-origin': 'https://app.example.com', vary: 'Origin' } },
  {
    name: 'secure-headers',
    headers: {
      'x-frame-options': 'SAMEORIGIN',
      'strict-transport-security': 'max-age=15552000; includeSubDomains',
    },
  },
  { name: 'bearer', request: { authorization: 'Bearer letmein' }, headers: {} },
  {
    name: 'jwt',
    request: async () => ({ authorization: `Bearer ${await sign({ sub: 'me' }, secret)}` }),
    headers: {},
  },
  { name: 'ip', headers: {} },
  { name: 'basic', request: { authorization: `Basic ${btoa('ann:letmein')}` }, headers: {} },
  { name: 'limit', headers: {} },
  { name: 'csrf', headers: {} },
  { name: 'logger', headers: {} },
  { name: 'powered', headers: { 'x-powered-by': 'Hono' } },
  { name: 'request-id', headers: {} },
  { name: 'storage', headers: {} },
  { name: 'timeout', headers: {} },
  { name: 'timing', headers: { 'server-timing': expect.stringMatching(/^total;dur=/) as unknown } },
  { name: 'override', headers: {} },
  { name: 'slash', headers: {} },
  { name: 'pretty', headers: {} },
  { name: 'combined', headers: { 'x-powered-by': 'Hono' } },
  { name: 'combined', request: { authorization: 'Bearer letmein' }, headers: {} },
  { name: 'own', headers: { 'x-before': 'before', 'x-after': 'after' } },
]

describe.for(adds)('$name', ({ name, request = {}, headers }) => {
  const sent = async (): Promise<Record<string, string>> => ({
    origin: 'https://app.example.com',
    ...(typeof request === 'function' ? await request() : request),
  })

  test.for([
    ['text', 200],
    ['stream', 200],
    ['range', 206],
    ['fails', 500],
    ['nothing', 404],
    ['json', 405],
  ] as const)('is in front of %s: %d', async ([path, status]) => {
    const response = await get(`/on/${name}/${path}`, await sent())

    expect(response.status).toBe(status)
    expect(Object.fromEntries(response.headers)).toMatchObject(headers)
    const body = await response.text()
    if (status < 300) {
      expect(body).toContain('lazy do')
      expect(Number(response.headers.get('content-length'))).toBe(body.length)
    } else {
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      expect(JSON.parse(body)).toMatchObject({ status, requestId: response.headers.get('x-request-id') })
      expect(body).not.toContain('secret')
    }
  })

  test('is in front of a 304', async () => {
    const response = await get(`/on/${name}/tagged`, { ...(await sent()), 'if-none-match': '"1"' })

    expect(response.status).toBe(304)
    expect(Object.fromEntries(response.headers)).toMatchObject({ ...headers, etag: '"1"' })
    expect(response.headers.get('content-type')).toBeNull()
  })

  test('is in front of HEAD', async () => {
    const { url } = service()
    const response = await fetch(`${url}/on/${name}/stream`, { method: 'HEAD', headers: await sent() })

    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject(headers)
    expect(await response.text()).toBe('')
  })
})

test.for([
  ['bearer', 401, 'www-authenticate'],
  ['jwt', 401, 'www-authenticate'],
  ['ip-elsewhere', 403, undefined],
] as const)('a refusal by %s is a problem, with its headers', async ([name, status, header]) => {
  const response = await get(`/on/${name}/text`)

  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  if (header !== undefined) expect(response.headers.get(header)).toContain('Bearer')
  expect(await response.json()).toMatchObject({ status })
})

test('ip-restriction tells clients behind a trusted proxy apart', async (t) => {
  const { url } = await startService(t, { probe, env: { TRUSTED_PROXIES: '1' } })
  const from = async (address: string) =>
    (await fetch(`${url}/on/ip-of-client/text`, { headers: { 'x-forwarded-for': address } })).status

  expect([await from('192.0.2.7'), await from('192.0.2.8'), await from('192.0.2.7, 192.0.2.8')]).toEqual([
    200, 403, 403,
  ])
})

test('compress() compresses text and streams, and leaves the rest', async () => {
  for (const path of ['text', 'stream']) {
    const { answer } = open(`${service().url}/on/compress/${path}`, 'GET', { 'accept-encoding': 'gzip' })
    expect((await answer).headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
    expect((await answer).headers['content-length']).toBeUndefined()
  }
  const response = await get('/on/compress/stream', { 'accept-encoding': 'gzip' })
  expect(await response.text()).toContain('lazy dog')
  const failed = await get('/on/compress/fails', { 'accept-encoding': 'gzip' })
  expect(await failed.json()).toMatchObject({ status: 500 })
})

test('etag() tags an answer and answers 304', async () => {
  const first = await get('/on/etag/text')
  const tag = first.headers.get('etag') ?? ''
  expect(tag).toMatch(/^"\w+"$/)
  expect(await first.text()).toContain('lazy dog')

  const second = await get('/on/etag/stream', { 'if-none-match': tag })

  expect(second.status).toBe(304)
})

test('a preflight is answered by cors(), not with 405', async () => {
  const response = await fetch(`${service().url}/on/cors/json`, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example.com', 'access-control-request-method': 'POST' },
  })

  expect(response.status).toBe(204)
  expect(response.headers.get('access-control-allow-methods')).toContain('POST')
})

test('CORS_ORIGINS: other origins get no header, and every answer says that it depends on the origin', async (t) => {
  const { url } = await startService(t, { env: { CORS_ORIGINS: 'https://app.example.com' } })
  const preflight = {
    'access-control-request-method': 'DELETE',
    'access-control-request-headers': 'a, authorization',
  }
  const ask = (path: string, origin: string | undefined, method: string) =>
    fetch(url + path, { method, headers: { ...preflight, ...(origin !== undefined && { origin }) } })
  const others = [
    ...[
      undefined,
      '',
      'null',
      '*',
      'https://app.example.com.',
      'https://app.example.com.evil.com',
      'https://app.example.com:8443',
    ],
    ...[
      'http://app.example.com',
      'https://APP.example.com',
      'https://evil-app.example.com',
      'https://app.example.com, https://a.com',
    ],
  ]

  for (const [path, method] of [
    ['/livez', 'GET'],
    ['/livez', 'HEAD'],
    ['/livez', 'OPTIONS'],
    ['/livez', 'DELETE'],
    ['/nowhere', 'GET'],
    ['/nowhere', 'OPTIONS'],
  ] as const) {
    const own = await ask(path, 'https://app.example.com', method)
    expect(own.headers.get('access-control-allow-origin'), path).toBe('https://app.example.com')
    expect(own.headers.get('access-control-allow-credentials')).toBeNull()
    for (const origin of others) {
      const { headers } = await ask(path, origin, method)
      expect(headers.get('access-control-allow-origin'), `${method} ${path} ${origin}`).toBeNull()
      expect(headers.get('vary')?.toLowerCase(), `${method} ${path} ${origin}`).toContain('origin')
    }
  }
})

test('a middleware may pass on a context of its own, and may answer by itself', async () => {
  expect(await (await get('/on/own/text')).text()).toMatch(/^GET from the middleware/)
  const response = await get('/on/answers/text')
  expect([response.status, await response.json()]).toEqual([203, { by: 'the middleware' }])
})

test.for(['throws-before', 'throws-after'])('%s: what is thrown becomes a problem', async (name) => {
  for (const path of ['text', 'stream']) {
    const [problem, hono, value, error] = await Promise.all(
      ['problem', 'hono', 'value', 'error'].map((what) => get(`/on/${name}/${path}?throws=${what}`)),
    )
    expect(problem?.status).toBe(418)
    expect(problem?.headers.get('x-problem')).toBe('yes')
    expect(await hono?.json()).toMatchObject({ status: 402, title: 'Payment Required', detail: 'pay first' })
    expect(value?.status).toBe(500)
    expect(error?.status).toBe(500)
    expect(await error?.text()).not.toContain('secret')
    for (const response of [problem, hono, error])
      expect(Object.fromEntries(response?.headers ?? [])).toMatchObject({
        'x-early': 'early',
        'x-late': 'late',
      })
  }
})

test('a middleware that does nothing at all is a 500, and the log says what to do', async () => {
  const response = await get('/on/silent/text', { 'x-request-id': 'silent' })

  expect(response.status).toBe(500)
  const line = await service().line(({ requestId, msg }) => requestId === 'silent' && msg === 'request')
  expect(JSON.stringify(line)).toContain('neither called next() nor returned a Response')
})

test('a body that a middleware has read reaches the handler, and is still checked', async () => {
  const post = (path: string, body: string): Promise<Response> =>
    fetch(service().url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body })

  expect(await (await post('/on/reads/json', '{"a":1}')).json()).toEqual({ a: 1 })
  expect((await post('/on/reads/json', '{"a":')).status).toBe(400)
  expect((await post('/on/limit/json', `{"a":"${'x'.repeat(200)}"}`)).status).toBe(413)
})

/** A body with no length, in two parts. */
function inParts(text: string): ReadableStream {
  const half = text.length / 2
  return ReadableStream.from([text.slice(0, half), text.slice(half)].map((part) => Buffer.from(part)))
}

function sendJson(name: string, body: string | ReadableStream): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'x-request-id': `body-of-${name}` }
  const url = `${service().url}/on/${name}/json`
  return fetch(url, { method: 'POST', headers, body, duplex: 'half' })
}

describe.for(['own', 'reads', 'reads-clone', 'looks-at', 'large-limit'])('a large body behind %s', (name) => {
  const large = JSON.stringify({ text: 'x'.repeat(900_000) })

  test.for(['with a length', 'without'])('reaches the handler as JSON, %s', async (how) => {
    const response = await sendJson(name, how === 'without' ? inParts(large) : large)

    expect([response.status, (await response.text()).length]).toEqual([200, large.length])
  })

  test('reaches the handler as a file', async () => {
    const body = new FormData()
    body.set('file', new Blob(['x'.repeat(900_000)]), 'a.txt')
    const response = await fetch(`${service().url}/on/${name}/upload`, { method: 'POST', body })

    expect([response.status, await response.json()]).toEqual([200, [['a.txt', 900_000]]])
  })

  test('is 413 beyond BODY_MAX_BYTES, and 400 if it is not JSON', async () => {
    expect((await sendJson(name, inParts(`"${'x'.repeat(1_100_000)}"`))).status).toBe(413)
    const broken = await sendJson(name, '{"a":')
    expect([broken.status, (await broken.json()) as object]).toMatchObject([400, { status: 400 }])
  })
})

test('a body without a length that is larger than bodyLimit() allows gets its 413', async () => {
  expect((await sendJson('limit', inParts(`{"a":"${'x'.repeat(200)}"}`))).status).toBe(413)
})

test.for(['reads-raw'])(
  '%s: a body that nobody can read again is a 500, and the log says why',
  async (name) => {
    const body = new FormData()
    body.set('file', new Blob(['x']), 'a.txt')
    const headers = { 'x-request-id': `taken-by-${name}` }
    const response = await fetch(`${service().url}/on/${name}/upload`, { method: 'POST', body, headers })

    expect(response.status).toBe(500)
    const line = await service().line(
      ({ requestId, msg }) => requestId === `taken-by-${name}` && msg === 'request',
    )
    expect(JSON.stringify(line)).toContain(`a middleware has read the body of POST /on/${name}/upload`)
  },
)

test('a middleware that calls next() twice answers 500, and the log says why; one that answers after next() works as in Hono', async () => {
  const twice = await get('/on/twice/text', { 'x-request-id': 'twice' })
  expect(twice.status).toBe(500)
  const line = await service().line(({ requestId, msg }) => requestId === 'twice' && msg === 'request')
  expect(JSON.stringify(line)).toContain('next() called multiple times')
  for (const path of ['text', 'fails', 'nothing']) {
    const replaced = await get(`/on/replaces/${path}`)
    expect([replaced.status, await replaced.text()], path).toEqual([202, 'replaced'])
  }
  expect(await (await get('/on/returns-after/text')).text()).toContain('lazy dog')
})

test('if an answer is invalid behind a middleware, the log says that the middleware may be the cause', async () => {
  const headers = { 'x-request-id': 'too-short' }
  await expect(get('/on/replaces/stream', headers).then((response) => response.text())).rejects.toThrow()

  const line = await service().line(({ requestId, msg }) => requestId === 'too-short' && msg === 'request')
  expect(JSON.stringify(line)).toMatch(
    /hono\.routes\.ts:\d+:\d+\) returned, or a middleware made of it, cannot be sent: its body has 8/,
  )
})

test('c.error is what a handler has thrown, after next()', async () => {
  for (const [path, error] of [
    ['text', 'none'],
    ['nothing', 'none'],
    ['fails', 'Error'],
    ['closes', 'Problem'],
  ] as const)
    expect((await get(`/on/tells-error/${path}`)).headers.get('x-error'), path).toBe(error)
})

test.for(['text', 'query'])(
  'the deadline ends what waits in a middleware, and in the handler %s behind it',
  async (path) => {
    const name = path === 'text' ? 'waits' : 'own'
    const response = await get(`/on/${name}/${path}`, { 'x-envoy-expected-rq-timeout-ms': '200' })

    expect(response.status).toBe(504)
    expect(response.headers.get(name === 'own' ? 'x-after' : 'x-late')).not.toBeNull()
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    await eventually(async () => (await running(service(), 'pg_sleep')) === 0)
  },
)

test('a middleware that ignores its context gets 250 ms, and the 504 has the headers that it has set so far', async () => {
  const startedAt = performance.now()
  const response = await get('/on/deaf/text', { 'x-envoy-expected-rq-timeout-ms': '100' })

  expect(performance.now() - startedAt).toBeLessThan(1_500)
  expect(response.status).toBe(504)
  expect(response.headers.get('x-early')).toBe('early')
})

test('a deadline that a middleware has set is a 504, and the log says why', async () => {
  const response = await get('/on/short/query', { 'x-request-id': 'short' })

  expect(response.status).toBe(504)
  const line = await service().line(({ requestId, msg }) => requestId === 'short' && msg === 'request')
  expect(line).toMatchObject({ status: 504, cause: 'DeadlineExceeded' })
})

test('a client that hangs up ends the middleware, the statement behind it, and a compressed stream', async () => {
  for (const path of ['/on/waits/text', '/on/own/query', '/v2/query']) {
    const { hangUp } = open(service().url + path, 'GET', { 'x-request-id': `left-${path}` })
    await eventually(async () => (await liveContexts(service())).includes(`GET ${path}`))
    hangUp()
    const line = await service().line(
      ({ requestId, msg }) => requestId === `left-${path}` && msg === 'request',
    )
    expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  }
  await eventually(async () => (await running(service(), 'pg_sleep')) === 0)

  for (const name of ['compress', 'cors']) {
    const { hangUp } = open(`${service().url}/on/${name}/endless`, 'GET', { 'accept-encoding': 'gzip' })
    const count = async (): Promise<unknown> => (await get('/on/own/open-streams')).json()
    await eventually(async () => (await count()) === 1)
    hangUp()
    await eventually(async () => (await count()) === 0)
  }
})

describe("a team's app under /v2", () => {
  test('has the context of its request, the path in the log, and the bodies of Hono', async () => {
    const response = await get('/v2/users/7', { 'x-request-id': 'from-v2' })

    expect(await response.json()).toEqual({ id: '7', request: 'from-v2' })
    const line = await service().line(({ requestId, msg }) => requestId === 'from-v2' && msg === 'request')
    expect(line).toMatchObject({ status: 200, route: '/v2/users/:id' })
    const posted = await fetch(`${service().url}/v2/users`, { method: 'POST', body: '{"a":1}' })
    expect([posted.status, await posted.json()]).toEqual([201, { a: 1 }])
  })

  test('gets the problems of the service: 404, 405 with Allow, 500', async () => {
    expect(await (await get('/v2/nothing')).json()).toMatchObject({ status: 404 })
    const wrong = await fetch(`${service().url}/v2/users/7`, { method: 'DELETE' })
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const failed = await get('/v2/fails')
    expect(failed.status).toBe(500)
    expect(await failed.text()).not.toContain('secret')
  })

  test('keeps its own onError, which may throw again: then the end of the context is a 504', async () => {
    const failed = await get('/v3/fails')
    expect([failed.status, await failed.json(), failed.headers.get('x-own')]).toEqual([
      418,
      { own: 'an error of its own' },
      'yes',
    ])
    const late = await get('/v3/waits', { 'x-envoy-expected-rq-timeout-ms': '200' })
    expect([late.status, late.headers.get('content-type')]).toEqual([504, 'application/problem+json'])
    expect((await get('/v3/nothing')).status).toBe(404)
  })

  test('ends a stream of events when the client hangs up', async () => {
    const { hangUp } = open(`${service().url}/v2/events`)
    await eventually(async () => (await liveContexts(service())).includes('GET /v2/events'))

    hangUp()

    await eventually(async () => !(await liveContexts(service())).includes('GET /v2/events'))
  })
})

/** Node's client sends `Connection: close` if it does not keep the connection. */
const kept = { connection: 'keep-alive' }

/** What the client sends, and what the middleware has set on the answer. */
const inFront: Readonly<Record<string, [sent: () => Promise<Record<string, string>>, set: object]>> = {
  cors: [
    async () => ({ origin: 'https://app.example.com' }),
    { 'access-control-allow-origin': 'https://app.example.com' },
  ],
  'secure-headers': [async () => ({}), { 'x-frame-options': 'SAMEORIGIN' }],
  compress: [
    async () => ({ 'accept-encoding': 'gzip' }),
    { 'content-encoding': 'gzip', vary: 'Accept-Encoding' },
  ],
  etag: [async () => ({}), { 'access-control-allow-origin': '*' }],
  jwt: [async () => ({ authorization: `Bearer ${await sign({ sub: 'me' }, secret)}` }), {}],
  long: [async () => ({}), {}],
  own: [async () => ({}), { 'x-before': 'before', 'x-after': 'after' }],
}

test('the 503 of a shutdown closes its connection, and has the headers of whatever is mounted', async (t) => {
  const own = await startService(t, { probe, env: { SHUTDOWN_DRAIN_MS: '200' } })
  const requests = await Promise.all(
    Object.entries(inFront).map(async ([name, [sent, set]]) => {
      const headers = { ...(await sent()), ...kept }
      return { name, set, request: open(`${own.url}/on/${name}/query`, 'GET', headers) }
    }),
  )
  await eventually(async () => (await running(own, 'pg_sleep')) === requests.length)

  own.signal('SIGTERM')

  for (const { name, set, request } of requests) {
    const { status, headers } = await request.answer
    expect([name, status], name).toEqual([name, 503])
    expect(headers, name).toMatchObject({ ...set, connection: 'close', 'retry-after': '1' })
    expect(headers['content-type'], name).toBe('application/problem+json')
  }
  expect(await own.exited).toEqual({ code: 0, signal: null })
})

test.for(Object.keys(inFront))('the 504 of a deadline is whole behind %s', async (name) => {
  const [sent, set] = inFront[name] ?? []
  const limit = { 'x-envoy-expected-rq-timeout-ms': '200' }
  const response = await get(`/on/${name}/query`, { ...(await sent?.()), ...limit })

  expect(response.status).toBe(504)
  expect(Object.fromEntries(response.headers)).toMatchObject({ ...set })
  expect(await response.json()).toMatchObject({ status: 504 })
})

test.for(Object.keys(inFront))(
  'a problem that closes its connection closes it behind %s too',
  async (name) => {
    const [sent] = inFront[name] ?? []
    const { answer } = open(`${service().url}/on/${name}/closes`, 'GET', { ...(await sent?.()), ...kept })

    expect((await answer).status).toBe(507)
    expect((await answer).headers['connection']).toBe('close')
  },
)

test('a stop waits for a middleware that works after its answer', async (t) => {
  const own = await startService(t, { probe, env: { SHUTDOWN_DRAIN_MS: '100', SHUTDOWN_CANCEL_MS: '100' } })
  const request = open(`${own.url}/on/deaf/text`, 'GET', { 'x-request-id': 'deaf' })
  await eventually(async () => (await liveContexts(own)).includes('/on/deaf/text'))

  own.signal('SIGTERM')

  // This middleware ends neither in time nor with its context.
  expect(await own.exited).toEqual({ code: 1, signal: null })
  expect(own.log.some(({ msg, requestId }) => msg.startsWith('abandoned') && requestId === 'deaf')).toBe(true)
  await request.answer.catch(() => undefined)
})
