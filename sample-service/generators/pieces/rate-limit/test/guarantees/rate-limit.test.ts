/**
 * Promise: A caller that sends too many requests gets 429, over all instances; a store that fails delays no request.
 * Go: `rate.Limiter` for each caller, in one process
 * Held by: src/platform/rate-limit/rate-limit.ts, src/platform/rate-limit/database-store.ts
 */
import { describe, expect, test } from 'vitest'
import { eventually, open, running } from '../support/client.ts'
import { sharedService, startProcess, startService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true })

function ask({ url }: Pick<RunningService, 'url'>, store: string, caller: string): Promise<Response> {
  return fetch(`${url}/probe/limited/${store}`, { headers: { 'x-caller': caller } })
}

/** Ten at once, and one for each second since. */
function expectQuota(answers: readonly Response[], startedAt: number): void {
  const allowed = answers.filter(({ status }) => status === 200).length
  const cameBack = Math.floor((performance.now() - startedAt) / 1_000)
  expect(allowed).toBeGreaterThanOrEqual(10)
  expect(allowed).toBeLessThanOrEqual(10 + cameBack)
}

describe.for(['database', 'memory'])('counted in %s', (store) => {
  test('a caller has its quota at once, then 429 with Retry-After, then one more at a time', async () => {
    const startedAt = performance.now()
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(shared(), store, 'one')))
    const refused = answers.filter(({ status }) => status === 429)
    expectQuota(answers, startedAt)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]?.headers.get('retry-after')).toBe('1')
    expect(refused[0]?.headers.get('ratelimit')).toMatch(/"probe-\w+";r=0;t=(9|10)$/)
    expect(await refused[0]?.json()).toMatchObject({ title: 'Too Many Requests' })
    expect((await ask(shared(), store, 'other')).status).toBe(200)

    const ms = await eventually(async () => (await ask(shared(), store, 'one')).status === 200)

    expect(ms).toBeLessThan(5_000)
  })

  test('every answer says how much of the quota is left', async () => {
    const { headers } = await ask(shared(), store, 'left')

    expect(headers.get('ratelimit-policy')).toContain(`"probe-${store}";q=10;w=10`)
    expect(headers.get('ratelimit')).toContain(`"probe-${store}";r=9;t=1`)
  })
})

test('the answers of a route with two limits name both', async () => {
  const [, second, third] = [
    await ask(shared(), 'twice', 'a'),
    await ask(shared(), 'twice', 'a'),
    await ask(shared(), 'twice', 'a'),
  ]

  // Before them there is the default limit, unless the machine is too slow for it.
  expect(second.headers.get('ratelimit-policy')).toMatch(/"probe-twice";q=10;w=10, "daily";q=2;w=86400$/)
  expect(second.headers.get('ratelimit')).toMatch(/"probe-twice";r=8;t=2, "daily";r=0;t=86400$/)
  expect([third.status, third.headers.get('ratelimit')]).toEqual([
    429,
    expect.stringContaining('"daily";r=0'),
  ])
})

test('two instances share the quota in the database', async (t) => {
  const env = { DATABASE_URL: shared().databaseUrl, UPLOAD_DIR: shared().uploadDir }
  const { port } = await startProcess(t, { probe: true, env }).line(({ msg }) => msg === 'listening')
  const other = { url: `http://127.0.0.1:${String(port)}` }

  const startedAt = performance.now()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => ask(i % 2 === 0 ? shared() : other, 'database', 'both')),
  )

  expectQuota(answers, startedAt)
})

test('a burst of one caller is counted, though a statement for each request would take the pool too long', async (t) => {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  await service.sql(`create function slowly() returns trigger language plpgsql as 'begin perform pg_sleep(0.05); return null; end';
    create trigger slowly after insert on rate_limits execute function slowly()`)

  const startedAt = performance.now()
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(service, 'brisk', 'one')))

  expectQuota(answers, startedAt)
})

test('a request that waits for the statement before its own is counted, if each takes less than the patience', async (t) => {
  const service = await startService(t, { probe: true })
  await service.sql(`create function slowly() returns trigger language plpgsql as 'begin perform pg_sleep(0.7); return null; end';
    create trigger slowly after insert on rate_limits execute function slowly()`)
  // The default limit is less patient: from now on it is not checked for a second.
  await fetch(`${service.url}/probe/query?seconds=0`)
  const first = ask(service, 'brisk', 'one')
  await eventually(async () => (await running(service, 'rate_limits')) === 1)

  const answers = [await ask(service, 'brisk', 'other'), await first]

  const policies = answers.map(({ headers }) => headers.get('ratelimit-policy'))
  expect(policies).toEqual(Array(2).fill(expect.stringContaining('"probe-brisk"')))
})

test('a burst that is more than what is left is counted, though it takes two statements', async (t) => {
  const service = await startService(t, { probe: true })
  const used = await Promise.all(Array.from({ length: 5 }, () => ask(service, 'brisk', 'one')))
  expect(used.map(({ status }) => status)).toEqual(Array(5).fill(200))
  await service.sql(`create function slowly() returns trigger language plpgsql as 'begin perform pg_sleep(0.7); return null; end';
    create trigger slowly after insert on rate_limits execute function slowly()`)
  // The default limit is less patient: from now on it is not checked for a second.
  await fetch(`${service.url}/probe/query?seconds=0`)
  const other = ask(service, 'brisk', 'other')
  await eventually(async () => (await running(service, 'rate_limits')) === 1)

  const burst = await Promise.all(Array.from({ length: 30 }, () => ask(service, 'brisk', 'one')))

  expect(new Set(burst.map(({ status }) => status))).toEqual(new Set([200, 429]))
  expect((await other).status).toBe(200)
})

test('if the store does not answer, requests soon pass, and the log says so', async (t) => {
  const service = await startService(t, { probe: true })
  const locker = await service.connect()
  await locker.query('begin; lock table rate_limits in access exclusive mode')
  t.onTestFinished(async () => {
    await locker.query('rollback')
  })

  const startedAt = performance.now()
  const first = await ask(service, 'hasty', 'one')
  const next = await Promise.all(Array.from({ length: 50 }, () => ask(service, 'hasty', 'one')))

  // Without a limit it would be the deadline of a request.
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  expect(new Set([first, ...next].map(({ status }) => status))).toEqual(new Set([200]))
  const said = service.log.filter(
    ({ msg, limit }) => msg.startsWith('rate limits are not checked') && limit === 'probe-hasty',
  )
  expect(said).toMatchObject([{ level: 'warn' }])
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
  expect(metrics).toMatch(
    /^rate_limit_requests_total\{rate_limit_name="probe-hasty",rate_limit_outcome="unchecked"\} 51$/m,
  )
})

test('a hang-up and a deadline end the statement of the store in Postgres', async (t) => {
  const service = await startService(t, { probe: true })
  const locker = await service.connect()
  await locker.query('begin; lock table rate_limits in access exclusive mode')
  t.onTestFinished(async () => {
    await locker.query('rollback')
  })
  const url = `${service.url}/probe/limited/database`
  const left = open(url, 'GET', { 'x-caller': 'x', 'x-request-id': 'left' })
  await eventually(async () => (await running(service, 'rate_limits')) === 1)

  left.hangUp()

  const line = await service.line(({ requestId }) => requestId === 'left')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  const late = open(url, 'GET', { 'x-caller': 'x', 'x-envoy-expected-rq-timeout-ms': '100' })
  expect((await late.answer).status).toBe(504)
  await eventually(async () => (await running(service, 'rate_limits')) === 0)
})

test('every route has the default limit, probes have none, and /openapi.json shows it', async () => {
  const policyOf = async (path: string) => (await fetch(shared().url + path)).headers.get('ratelimit-policy')
  expect(await policyOf('/probe/query?seconds=0')).toBe('"default";q=100000;w=60')
  expect(await policyOf('/livez')).toBeNull()
  const document = (await (await fetch(`${shared().url}/openapi.json`)).json()) as {
    paths: Record<string, { get: { responses: object } }>
  }
  expect(Object.keys(document.paths['/probe/limited/memory']?.get.responses ?? {})).toContain('429')
})
