import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { SpanKind } from '@opentelemetry/api'
import { expect, test, type TestContext } from 'vitest'
import {
  contextName,
  withCancel,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
  type LiveContext,
} from '../../../../src/context/context.ts'
import { ended } from '../../../../src/context/ended.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { ClientDisconnected } from '../../../../src/platform/causes.ts'
import { recentRequests, type RecentRequests } from '../../../../src/platform/telemetry/kept.ts'
import { stepKey, waiting, type Ending } from '../../../../src/platform/telemetry/recent.ts'
import { span } from '../../../../src/platform/telemetry/span.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { listenAdmin, type AdminOptions } from '../../../../src/platform/admin/admin.ts'

interface Listening {
  readonly root: CancelContext
  readonly url: string
}

async function listen(
  t: TestContext,
  options: Partial<AdminOptions> = {},
  log = recordedLog(),
): Promise<Listening> {
  const root = testContext(t)
  const admin = await listenAdmin(root, root, log, {
    host: '127.0.0.1',
    port: 0,
    metrics: (_request, response) => response.end('up 1\n'),
    recent: recentRequests(2),
    ...options,
  })
  t.onTestFinished(() => admin.close(root))
  return { root, url: `http://127.0.0.1:${admin.port}` }
}

const done: Ending = { status: 200, cause: undefined, failure: undefined, canceledAt: undefined }
const left: Ending = { ...done, status: 499, cause: 'ClientDisconnected' }
const failed: Ending = { ...done, status: 500, failure: 'QueryFailed' }

/** A request that took `ms` milliseconds and has ended. */
function seen(recent: RecentRequests, id: string, ms: number, ending = done, traceId?: string): void {
  const beginning = { startedAt: performance.now() - ms, traceId }
  recent.finish(recent.start({ id, method: 'GET', path: `/${id}` }, beginning), ending)
}

async function contexts(url: string, query = ''): Promise<unknown> {
  const response = await fetch(`${url}/debug/contexts${query}`, { headers: { accept: 'application/json' } })
  expect(response.headers.get('content-type')).toBe('application/json')
  return response.json()
}

test('/metrics returns the metrics of telemetry', async (t) => {
  const { url } = await listen(t)

  expect(await (await fetch(`${url}/metrics`)).text()).toBe('up 1\n')
})

test('/debug/contexts counts and shows every context that has not ended', async (t) => {
  const { url, root } = await listen(t)
  using request = withTimeout(withValue(root, contextName, 'GET /slow'), 60_000)
  using statement = withCancel(request)

  expect(await contexts(url)).toEqual({
    live: 3,
    underWay: [],
    ended: [],
    root: {
      name: expect.any(String) as string,
      ageMs: expect.any(Number) as number,
      deadline: null,
      children: [
        {
          name: 'GET /slow',
          ageMs: expect.any(Number) as number,
          deadline: request.deadline,
          children: [expect.objectContaining({ deadline: statement.deadline, children: [] })],
        },
      ],
    },
  })

  request.cancel()
  expect(await contexts(url)).toMatchObject({ live: 1, root: { children: [] } })
})

test('the page shows the tree, and escapes the paths that clients choose', async (t) => {
  const { url, root } = await listen(t)
  using request = withCancel(withValue(root, contextName, `GET /<img src=x onerror="alert('&')">`))

  const response = await fetch(`${url}/debug/contexts`, { headers: { accept: 'text/html,*/*;q=0.8' } })
  const page = await response.text()

  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page).toContain('2 not yet ended')
  expect(page).toContain('GET /&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;')
  expect(page).not.toContain('<img')
  expect(page).not.toMatch(/https?:/)
  const policy = response.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).not.toContain('unsafe')

  request.cancel()
  expect(await (await fetch(`${url}/debug/contexts`)).text()).not.toContain('onerror')
})

test('the page shows the last requests that ended, the newest first, each with what ended it', async (t) => {
  const recent = recentRequests(2)
  const { url } = await listen(t, { recent })
  seen(recent, 'first', 0)
  seen(recent, 'second', 0, { ...left, cause: 'DeadlineExceeded' })
  seen(recent, 'third', 0, left)

  expect(await contexts(url)).toMatchObject({ ended: [{ id: 'third' }, { id: 'second' }, { id: 'first' }] })
  const page = await (await fetch(`${url}/debug/contexts`)).text()
  expect(page).toMatch(
    /499 GET \/third <b>ClientDisconnected<\/b>[^]*499 GET \/second <b>DeadlineExceeded<\/b>/,
  )
})

const ids = async (url: string, query = ''): Promise<string[]> =>
  ((await contexts(url, query)) as { ended: { id: string }[] }).ended.map(({ id }) => id)

test('of a thousand ended requests the page keeps the slow, the failed, those whose client left, and the last', async (t) => {
  const recent = recentRequests(5)
  const { url } = await listen(t, { recent })
  seen(recent, 'slow', 3_000)
  seen(recent, 'failed', 1, failed)
  seen(recent, 'left', 1, left)
  for (let i = 1; i <= 1_000; i++) seen(recent, `fast-${i}`, 2)

  const kept = await ids(url)

  expect(kept.slice(0, 5)).toEqual([1000, 999, 998, 997, 996].map((i) => `fast-${i}`))
  expect(kept).toEqual(expect.arrayContaining(['slow', 'failed', 'left']))
  // The slowest of a minute are twenty.
  expect(kept.length).toBeLessThanOrEqual(5 + 2 + 20)
})

test.for([
  ['the path', '?q=/ORD', ['orders']],
  ['words in any order', '?q=queryfailed+500', ['orders']],
  ['the cause', '?q=disconnected', ['gone']],
  ['a request id', '?q=users', ['users']],
  ['a trace id, as a link from the log has it', '?trace=4bf92f3577b34da6a3ce929d0e0e4736', ['gone']],
  ['failed', '?show=failed', ['orders']],
  ['left', '?show=left', ['gone']],
  ['still running', '?show=running', []],
  ['slower than', '?slower=500', ['gone', 'users']],
  ['two at once', '?slower=500&show=left', ['gone']],
  ['slowest first', '?sort=slowest', ['users', 'gone', 'orders']],
  ['nonsense', '?show=<b>&slower=-1&sort=x', ['gone', 'orders', 'users']],
] as const)('requests are found by %s', async ([, query, found], t) => {
  const recent = recentRequests(10)
  const { url } = await listen(t, { recent })
  seen(recent, 'users', 2_000)
  seen(recent, 'orders', 5, failed)
  seen(recent, 'gone', 1_000, left, '4bf92f3577b34da6a3ce929d0e0e4736')
  recent.start({ id: 'open', method: 'POST', path: '/open' }, { startedAt: performance.now() - 700 })

  expect(await ids(url, query)).toEqual(found)
  const page = await (await fetch(`${url}/debug/contexts${query}`)).text()
  for (const id of ['users', 'orders', 'gone']) {
    expect(page.includes(`GET /${id}`), id).toBe((found as readonly string[]).includes(id))
  }
  expect(page).not.toContain('<b>&')
})

test('a request named in the URL is open; an empty section says what it would show', async (t) => {
  const recent = recentRequests(10)
  const { url } = await listen(t, { recent })
  const page = async (query: string): Promise<string> => (await fetch(`${url}/debug/contexts${query}`)).text()
  expect(await page('')).toMatch(
    /None\. A request is listed here from its first header[^]*None yet\. A request/,
  )

  seen(recent, 'it', 1, done, '4bf92f3577b34da6a3ce929d0e0e4736')
  expect(await page('?trace=4bf92f3577b34da6a3ce929d0e0e4736')).toMatch(/<details id="r1" open>/)
  expect(await page('?q=it')).toMatch(/<details id="r1" open>/)
  expect(await page('')).toMatch(/<details id="r1">/)
  expect(await page('?q="><script>')).toMatch(
    /value="&quot;&gt;&lt;script&gt;"[^]*No request fits the filter above/,
  )
})

test('more requests under way than the page shows are counted, and a search finds those it leaves out', async (t) => {
  const recent = recentRequests(10)
  const { url } = await listen(t, { recent })
  for (let i = 0; i < 100; i++) {
    recent.start({ id: `r-${i}`, method: 'GET', path: `/${i}` }, { startedAt: performance.now() })
  }

  expect(await contexts(url)).toMatchObject({ underWayLeftOut: 80, underWay: { length: 20 } })
  expect(await contexts(url, '?q=r-99')).toMatchObject({ underWay: [{ id: 'r-99' }] })
})

test('the page shows what a running request waits for: the pool, the database, a peer, its client, or nothing', async (t) => {
  const recent = recentRequests(10)
  const { url, root } = await listen(t, { recent })
  const beginning = { startedAt: performance.now(), waitsForClient: () => true }
  const request = recent.start({ id: 'it', method: 'GET', path: '/' }, beginning)
  using ctx = withCancel(withValue(root, stepKey, request.root))
  const waits = async (): Promise<unknown> =>
    ((await contexts(url)) as { underWay: { waitsFor: unknown }[] }).underWay[0]?.waitsFor

  expect(await waits()).toBe('client')
  const work = span(ctx, 'worker', {}, async (ctx) => {
    await waiting(ctx, 'pool', async () => expect(await waits()).toBe('pool'))
    const attributes = { 'db.query.text': 'select 1' }
    await span(ctx, 'SELECT', { attributes }, async () => expect(await waits()).toBe('database'))
    // Like a call to S3, whose conventions have no URL.
    const { CLIENT: kind } = SpanKind
    await span(ctx, 'S3.GetObject', { kind }, async () => expect(await waits()).toBe('peer'))
    await span(ctx, 'GET', { attributes: { 'url.full': 'http://peer/' } }, async () => {
      expect(await waits()).toBe('peer')
      expect(await (await fetch(`${url}/debug/contexts`)).text()).toContain('waits for the peer')
    })
  })
  await work
  recent.finish(request, done)
  expect(await contexts(url)).toMatchObject({ ended: [{ waitsFor: null }] })
})

test('a request shows its spans, when each began and ended and what ended it, even while it is under way', async (t) => {
  const recent = recentRequests(2)
  const { url, root } = await listen(t, { recent })
  const request = recent.start({ id: 'it', method: 'GET', path: '/slow' }, { startedAt: performance.now() })
  using ctx = withCancel(withValue(root, stepKey, request.root))
  const attributes = { 'db.query.text': 'select <1>' }
  const work = span(ctx, 'worker', {}, (ctx) =>
    span(ctx, 'SELECT', { attributes }, async (ctx) => {
      throw await ended(ctx)
    }),
  )

  const underWay = { startMs: expect.any(Number) as number, endMs: null, fault: null }
  const statement = { ...underWay, name: 'SELECT', detail: 'select <1>', spans: [] }
  expect(await contexts(url)).toMatchObject({
    ended: [],
    underWay: [
      { id: 'it', status: null, endedAt: null, spans: [{ ...underWay, name: 'worker', spans: [statement] }] },
    ],
  })

  ctx.cancel(new ClientDisconnected())
  await expect(work).rejects.toThrow(ClientDisconnected)
  recent.finish(request, { ...left, canceledAt: performance.now() })

  const fault = 'ClientDisconnected'
  const stopped = { fault, endMs: expect.any(Number) as number }
  expect(await contexts(url)).toMatchObject({
    underWay: [],
    ended: [{ status: 499, cause: fault, spans: [{ ...stopped, spans: [{ ...stopped, name: 'SELECT' }] }] }],
  })
  const page = await (await fetch(`${url}/debug/contexts`)).text()
  expect(page).toMatch(/ClientDisconnected ended it at [\d.]+ ms; its work had stopped [\d.]+ ms later/)
  expect(page).toContain('select &lt;1&gt;')
  // The page's policy allows no inline style.
  expect(page).not.toMatch(/ style=/)
})

test('a request with very many spans keeps the first and counts the rest', async (t) => {
  const recent = recentRequests(1)
  const { url, root } = await listen(t, { recent })
  const request = recent.start({ id: 'it', method: 'GET', path: '/' }, { startedAt: performance.now() })
  const ctx = withValue(root, stepKey, request.root)
  for (let i = 0; i < 250; i++) await span(ctx, 'SELECT', {}, () => Promise.resolve())

  const { underWay } = (await contexts(url)) as { underWay: { spans: unknown[]; spansLeftOut: number }[] }

  expect([underWay[0]?.spans.length, underWay[0]?.spansLeftOut]).toEqual([200, 50])
})

test('of very many children the page shows some and says how many it leaves out; the JSON has all', async (t) => {
  const { url, root } = await listen(t)
  const parent = withValue(root, contextName, 'child')
  expect(Array.from({ length: 10_000 }, () => withCancel(parent))).toHaveLength(10_000)

  const page = await (await fetch(`${url}/debug/contexts`)).text()

  expect(page).toContain('10001 not yet ended')
  expect(page.match(/<li>child/g)).toHaveLength(100)
  expect(page).toContain('and 9900 more: 9900 child')
  expect(await contexts(url)).toMatchObject({ live: 10_001 })
})

test('of 200,000 contexts, wide or deep, the page and the JSON have some, and say how many they leave out', async (t) => {
  const { url, root } = await listen(t)
  const name = (text: string): Context => withValue(root, contextName, text)
  const wide = Array.from({ length: 150_000 }, () => withCancel(name('wide')))
  let deep: Context = name('deep')
  for (let depth = 0; depth < 50_000; depth++) deep = withCancel(deep)

  const json = (await contexts(url)) as { live: number; leftOut: number; root: LiveContext }
  const response = await fetch(`${url}/debug/contexts`)
  const page = await response.text()

  expect(wide.length + 50_001).toBe(json.live)
  const queue = [json.root]
  for (const { children } of queue) queue.push(...children)
  expect(json.leftOut).toBe(json.live - queue.length)
  expect(page).toContain(`200001 not yet ended; ${json.leftOut} of them are left out here`)
  expect(page.length).toBeLessThan(1_000_000)
})

test('a long name, such as the path of a request, is cut', async (t) => {
  const { url, root } = await listen(t)
  const ctx = withCancel(withValue(root, contextName, `${'x'.repeat(199)}\u{1f600}${'y'.repeat(100_000)}`))

  const { root: shown } = (await contexts(url)) as { root: LiveContext }
  expect(shown.children.map(({ name }) => name)).toContain(`${'x'.repeat(199)}…`)
  ctx.cancel()
})

test('contexts beyond a depth are left out as well', async (t) => {
  const { url, root } = await listen(t)
  let deep: Context = withValue(root, contextName, 'deep')
  for (let depth = 0; depth < 9_000; depth++) deep = withCancel(deep)

  expect(await contexts(url)).toMatchObject({ live: 9_001, leftOut: 8_500 })
  expect(await (await fetch(`${url}/debug/contexts`)).text()).toContain('8500 of them are left out here')
})

test('a page that is off is a 404 that says what to set', async (t) => {
  const { url } = await listen(t, { recent: undefined })

  const response = await fetch(`${url}/debug/contexts`)

  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({
    detail: expect.stringContaining('DEBUG_CONTEXTS=true') as string,
  })
  expect((await fetch(`${url}/metrics`)).status).toBe(200)
})

test('a probe is a 503 until the public port listens', async (t) => {
  const { url } = await listen(t)

  const early = await fetch(`${url}/livez`)

  expect(early.status).toBe(503)
  expect(early.headers.get('content-type')).toBe('application/problem+json')
  expect(await early.json()).toMatchObject({ status: 503, detail: 'the service is starting' })
})

test('anything else is a 404, and other methods a 405', async (t) => {
  const { url } = await listen(t)

  const missing = await fetch(`${url}/health`)
  expect(missing.status).toBe(404)
  expect(missing.headers.get('content-type')).toBe('application/problem+json')
  expect(await missing.json()).toMatchObject({ status: 404, title: 'Not Found' })

  const posted = await fetch(`${url}/metrics`, { method: 'POST' })
  expect(posted.status).toBe(405)
  expect(posted.headers.get('allow')).toBe('GET, HEAD')
})

test('on loopback a foreign host name is refused: DNS that points there would let any web page read it', async (t) => {
  const { url } = await listen(t)
  const status = async (host: string): Promise<number | undefined> => {
    const sent = request(`${url}/debug/contexts`, { headers: { host }, agent: false }).end()
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
    await text(response)
    return response.statusCode
  }

  expect(await status('attacker.example')).toBe(403)
  expect(await status('127.0.0.1.attacker.example:80')).toBe(403)
  expect(await status(`localhost:${new URL(url).port}`)).toBe(200)
  expect(await status('[::1]:3001')).toBe(200)
})

test('a port that is taken is named, with what to do', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo

  await expect(listen(t, { port })).rejects.toThrow(
    `cannot listen for admin on 127.0.0.1:${port}: the port is taken: stop what listens there, or set ADMIN_PORT`,
  )
})

test('close() closes open connections, too', async (t) => {
  const ctx = testContext(t)
  const metrics = (): void => undefined
  const admin = await listenAdmin(ctx, ctx, recordedLog(), {
    host: '127.0.0.1',
    port: 0,
    metrics,
    recent: undefined,
  })
  const sent = request(`http://127.0.0.1:${admin.port}/metrics`, { agent: false }).end()
  const failed = once(sent, 'error')
  await once(sent, 'socket')

  await admin.close(ctx)

  expect((await failed)[0]).toMatchObject({ code: expect.stringMatching(/ECONN/) as string })
})

test.for([
  ['another path', 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n', 404],
  ['another method', 'PUT /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n', 405],
  ['another expectation', 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\n\r\n', 417],
  ['no host', 'GET /metrics HTTP/1.1\r\n\r\n', 400],
  ['a line that is not HTTP', 'hello\r\n\r\n', 400],
] as const)(
  '%s is answered with a problem that has an id, and a line in the log',
  async ([, sent, status], t) => {
    const log = recordedLog()
    const { url } = await listen(t, {}, log)
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(sent)
    const [received] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()

    expect(received.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(received.toString()).toMatch(/x-request-id: [0-9a-f-]{36}\r\n/i)
    expect(log.lines).toMatchObject([{ level: 'info', message: 'admin request', fields: { status } }])
  },
)

test('a target with an origin is served like its path, and neither a password nor a query in it gets into the log', async (t) => {
  const log = recordedLog()
  const { url } = await listen(t, {}, log)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let received = ''
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
  const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n`

  socket.write(`${get('http://localhost/metrics')}\r\n`)
  socket.write(`${get('http://[/debug/contexts?q=a')}\r\n`)
  socket.write(`${get('http://user:secret@localhost/nowhere?key=secret')}Connection: close\r\n\r\n`)
  await once(socket, 'close')

  expect(received.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404'])
  expect(log.lines).toMatchObject([{ message: 'admin request', fields: { path: '/nowhere' } }])
  expect(JSON.stringify(log.lines)).not.toContain('secret')
})
