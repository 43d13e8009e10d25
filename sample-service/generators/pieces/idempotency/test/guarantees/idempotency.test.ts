/**
 * Promise: A client that repeats a request with its Idempotency-Key gets one answer, and the work is done once.
 * Go: no counterpart in the standard library
 * Held by: src/platform/idempotency/idempotent.ts, src/platform/database/transaction.ts
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { beforeAll, expect, test } from 'vitest'
import { eventually, running } from '../support/client.ts'
import { another, sharedService, startService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true })
const table = 'create table payments (id serial primary key, amount int not null)'

beforeAll(async () => {
  await shared().sql(table)
})

interface Sent {
  readonly method?: string
  readonly body?: object
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

function pay(service: RunningService, key: string | undefined, sent: Sent = {}): Promise<Response> {
  const { method = 'POST', body = { amount: 7 }, path = '/probe/payments', headers, signal } = sent
  return fetch(service.url + path, {
    method,
    body: JSON.stringify(body),
    headers: {
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': key }),
      ...headers,
    },
    ...(signal && { signal }),
  })
}

async function rows(service: RunningService, amount: number): Promise<number> {
  return (await service.sql('select from payments where amount = $1', [amount])).length
}

test('a repeated key gets the same answer with the same headers, and the work is done once', async () => {
  const body = { amount: 1 }
  const answers = [await pay(shared(), '"one"', { body }), await pay(shared(), 'one', { body })]

  const [first, again] = await Promise.all(
    answers.map(async (answer) => ({
      status: answer.status,
      location: answer.headers.get('location'),
      type: answer.headers.get('content-type'),
      cookies: answer.headers.getSetCookie(),
      body: await answer.text(),
    })),
  )
  expect(first).toMatchObject({ status: 201, type: 'application/json', cookies: ['a=1', 'b=2'] })
  expect(again).toEqual(first)
  expect(await rows(shared(), 1)).toBe(1)
})

test.each(['PUT', 'PATCH'])(
  '%s may be repeated too, and a key is not shared with another method',
  async (method) => {
    const [key, amount] = [`by-${method}`, method === 'PUT' ? 30 : 31]
    const first = await pay(shared(), key, { method, body: { amount } })
    const again = await pay(shared(), key, { method, body: { amount } })

    expect([first.status, again.status]).toEqual([201, 201])
    expect(await again.text()).toBe(await first.text())
    expect((await pay(shared(), key, { body: { amount } })).status).toBe(422)
    expect(await rows(shared(), amount)).toBe(1)
  },
)

test('a body that is too large is 413, and uses no key', async () => {
  const body = { amount: 32, items: ['x'.repeat(1_100_000)] }
  expect((await pay(shared(), 'large', { body })).status).toBe(413)

  expect((await pay(shared(), 'large', { body: { amount: 32 } })).status).toBe(201)
})

test('the key with another body is 422, and without a key 400, unless the route does not require one', async () => {
  await pay(shared(), 'two', { body: { amount: 2 } })

  expect((await pay(shared(), 'two', { body: { amount: 3 } })).status).toBe(422)
  expect((await pay(shared(), 'two', { body: { amount: 2 }, path: '/probe/donations' })).status).toBe(422)
  const missing = await pay(shared(), undefined)
  expect(missing.status).toBe(400)
  expect(await missing.json()).toMatchObject({ title: 'Idempotency-Key is missing' })
  expect((await pay(shared(), undefined, { path: '/probe/donations' })).status).toBe(201)
  for (const key of ['', '""', 'a, b', '"a', 'a b', '"é"', 'x'.repeat(256)])
    expect((await pay(shared(), key)).status, key).toBe(400)
  expect(await rows(shared(), 3)).toBe(0)
})

test('the keys of one principal are not those of another', async () => {
  const sent = (name: string) => ({ body: { amount: 20 }, headers: { 'x-principal': name } })
  const answers = [
    await pay(shared(), 'mine', sent('ann')),
    await pay(shared(), 'mine', sent('bob')),
    await pay(shared(), 'mine', sent('ann')),
  ]

  const [anns, bobs, annsAgain] = await Promise.all(answers.map((answer) => answer.text()))
  expect(bobs).not.toBe(anns)
  expect(annsAgain).toBe(anns)
  expect(await rows(shared(), 20)).toBe(2)
})

test('without a principal, a key belongs to the Authorization of its request: no other caller gets the answer', async () => {
  const sent = (authorization: string) => ({ body: { amount: 21 }, headers: { authorization } })
  const first = await pay(shared(), 'hers', sent('Basic YW5uOmE='))
  const other = await pay(shared(), 'hers', sent('Basic Ym9iOmI='))
  const again = await pay(shared(), 'hers', sent('Basic YW5uOmE='))

  expect([first.status, other.status, again.status]).toEqual([201, 422, 201])
  expect(other.headers.get('location')).toBeNull()
  expect(await again.text()).toBe(await first.text())
  expect(await rows(shared(), 21)).toBe(1)
})

test('requests are compared by their input, whatever the order of its properties', async () => {
  const status = async (key: string, more: object) =>
    (await pay(shared(), key, { body: { amount: 22, ...more } })).status

  expect(await status('order', { rates: { a: 1, b: 2 } })).toBe(201)
  expect(await status('order', { rates: { b: 2, a: 1 } })).toBe(201)
  expect(await status('order', { rates: { a: 2, b: 1 } })).toBe(422)
  expect(await status('set', { items: ['a', 'b'] })).toBe(201)
  expect(await status('set', { items: ['a', 'b'] })).toBe(201)
  expect(await status('set', { items: ['a', 'c'] })).toBe(422)
  expect(await rows(shared(), 22)).toBe(2)
  expect(await status('class', { place: 'a' })).toBe(500)
  await shared().line((line) =>
    /probe\.idempotency\.ts:\d+:\d+\): an idempotent route cannot compare 'place', a Place/.test(
      JSON.stringify(line),
    ),
  )
})

test('while the first request is under way, a repeat is 409; of many at once, one is done', async () => {
  const body = { amount: 4, seconds: 1 }
  const first = pay(shared(), 'four', { body })
  await eventually(async () => (await running(shared(), 'pg_sleep')) === 1)

  const repeats = await Promise.all(Array.from({ length: 20 }, () => pay(shared(), 'four', { body })))

  expect(new Set(repeats.map(({ status }) => status))).toEqual(new Set([409]))
  expect(repeats[0]?.headers.get('retry-after')).toBe('1')
  expect((await first).status).toBe(201)
  expect(await rows(shared(), 4)).toBe(1)
})

test('work that throws or answers with a 5xx is rolled back and keeps no answer: a repeat runs again', async () => {
  for (const [ends, status] of [
    ['with a problem', 404],
    ['with a 503', 503],
    ['with a stream', 500],
    ['with nothing', 500],
  ] as const)
    expect((await pay(shared(), 'five', { body: { amount: 5, ends } })).status, ends).toBe(status)
  expect(await rows(shared(), 5)).toBe(0)
  // Where the handler is.
  await shared().line((line) => /cannot be kept.*probe\.idempotency\.ts:\d+/.test(JSON.stringify(line)))

  expect((await pay(shared(), 'five', { body: { amount: 5 } })).status).toBe(201)

  expect(await rows(shared(), 5)).toBe(1)
})

test('a hang-up and a deadline end the work in Postgres, undo it, and free the key', async () => {
  const body = { amount: 6, seconds: 30 }
  const client = new AbortController()
  const left = expect(pay(shared(), 'six', { body, signal: client.signal })).rejects.toThrow()
  await eventually(async () => (await running(shared(), 'pg_sleep')) === 1)

  client.abort()

  await left
  await eventually(async () => (await running(shared(), 'pg_sleep')) === 0)
  const headers = { 'x-envoy-expected-rq-timeout-ms': '300' }
  expect((await pay(shared(), 'six', { body, headers })).status).toBe(504)
  expect(await rows(shared(), 6)).toBe(0)
  // The rollback may end after the 504.
  await eventually(async () => (await pay(shared(), 'six', { body: { amount: 6 } })).status === 201)
})

test('a client whose connection breaks at any moment, and that repeats its request, gets one row', async () => {
  const service = shared()
  for (let round = 0; round < 60; round++) {
    const body = JSON.stringify({ amount: 1_000 + round })
    const head = `POST /probe/payments HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: r${round}\r\ncontent-length: ${body.length}\r\n\r\n`
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
    await once(
      socket.on('error', () => undefined),
      'connect',
    )
    socket.write(head + body)
    await new Promise((resolve) => setTimeout(resolve, (round % 20) / 2))
    socket.resetAndDestroy()
    await eventually(
      async () => (await pay(service, `r${round}`, { body: { amount: 1_000 + round } })).status === 201,
    )
    expect(await rows(service, 1_000 + round)).toBe(1)
  }
})

test('after kill -9 a repeat is done once, by another instance as well', async (t) => {
  const service = await startService(t, { probe: true })
  await service.sql(table)
  const lost = expect(pay(service, 'nine', { body: { amount: 9, seconds: 30 } })).rejects.toThrow()
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  const second = another(t, service, { probe: true })
  const { port } = await second.line(({ msg }) => msg === 'listening')
  const other = { ...service, url: `http://127.0.0.1:${String(port)}` }
  expect((await pay(other, 'nine', { body: { amount: 9 } })).status).toBe(409)

  service.signal('SIGKILL')

  await lost
  // Postgres notices that its client is gone when the statement has ended.
  await service.sql('select pg_terminate_backend(pid) from pg_stat_activity where query like $1', [
    '%pg_sleep(%',
  ])
  await eventually(async () => (await pay(other, 'nine', { body: { amount: 9 } })).status === 201)
  expect((await pay(other, 'nine', { body: { amount: 9 } })).status).toBe(201)
  expect(await rows(service, 9)).toBe(1)
})

test('a key is free again after a day, and the row is deleted at the next start, unless it is in use', async (t) => {
  const service = await startService(t, { probe: true })
  await service.sql(table)
  const age = `update idempotency_keys set created_at = now() - interval '1 day 1 second' where key <> 'young'`
  for (const key of ['old', 'older', 'held', 'young']) await pay(service, key, { body: { amount: 10 } })
  await service.sql(age)
  expect((await pay(service, 'old', { body: { amount: 11 } })).status).toBe(201)
  expect(await rows(service, 11)).toBe(1)

  // Like a running request that uses the key again.
  const holder = await service.connect()
  await holder.query(`begin; select from idempotency_keys where key = 'held' for update`)
  service.signal('SIGTERM')
  expect(await service.exited).toEqual({ code: 0, signal: null })
  const restarted = another(t, service, { probe: true })

  expect(await restarted.line(({ msg }) => msg === 'old idempotency keys deleted')).toMatchObject({
    deleted: 1,
  })
  expect(await service.sql('select key from idempotency_keys order by key')).toEqual([
    { key: 'held' },
    { key: 'old' },
    { key: 'young' },
  ])
})

test('/openapi.json and /metrics show idempotent routes', async () => {
  const document = (await (await fetch(`${shared().url}/openapi.json`)).json()) as {
    paths: Record<string, { post: { parameters: object[]; responses: object } }>
  }
  const operation = document.paths['/probe/payments']?.post
  expect(operation?.parameters).toMatchObject([{ in: 'header', name: 'Idempotency-Key' }])
  expect(Object.keys(operation?.responses ?? {})).toEqual(expect.arrayContaining(['400', '409', '422']))
  const metrics = await (await fetch(`${shared().adminUrl}/metrics`)).text()
  expect(metrics).toMatch(/^idempotency_requests_total\{.*idempotency_outcome="repeated".*\} \d+$/m)
})
