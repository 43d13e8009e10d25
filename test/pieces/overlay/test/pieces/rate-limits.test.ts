/** What a rate limit counts, and what it stores. */
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { databaseStore } from '../../src/platform/rate-limit/database-store.ts'
import { testContext } from '../../src/context/test-context.ts'
import { networkOf, rateLimit } from '../../src/platform/rate-limit/rate-limit.ts'
import { memoryStore, boundedMap, type Store } from '../../src/platform/rate-limit/store.ts'
import type { IncomingRequest } from '../../src/platform/http/route.ts'
import { openOwnDatabase } from '../support/database.ts'
import { createLog } from '../../src/platform/telemetry/log.ts'
import type { Context } from '../../src/context/context.ts'
import { eventually, open, running } from '../support/client.ts'
import { startProcess, startService, sharedService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true })

test('a shorter limit applies at once, whatever a longer one has counted', async (t) => {
  const env = { RATE_LIMIT_REQUESTS: '1', RATE_LIMIT_SECONDS: '86400' }
  const service = await startService(t, { probe: true, env })
  const askDefault = ({ url }: Pick<RunningService, 'url'>) => fetch(`${url}/probe/query?seconds=0`)
  await askDefault(service)
  expect((await askDefault(service)).status).toBe(429)

  const { databaseUrl: DATABASE_URL, uploadDir: UPLOAD_DIR } = service
  const shorter = { ...env, DATABASE_URL, UPLOAD_DIR, RATE_LIMIT_SECONDS: '60' }
  const { port } = await startProcess(t, { probe: true, env: shorter }).line(({ msg }) => msg === 'listening')
  const other = { url: `http://127.0.0.1:${String(port)}` }

  expect((await askDefault(other)).status).toBe(200)
  const refused = await askDefault(other)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
})

test('later requests delete rows that are no longer needed', async () => {
  await shared().sql(
    `insert into rate_limits select 'old' || i, now() - interval '1 minute' from generate_series(1, 250) i`,
  )

  for (let i = 0; i < 200; i++)
    await fetch(`${shared().url}/probe/limited/database`, { headers: { 'x-caller': `sweep-${i}` } })

  expect(await shared().sql(`select from rate_limits where key like 'old%'`)).toEqual([])
})

test('a store gets a short key, however long the caller is', async (t) => {
  const keys: string[] = []
  const store: Store = {
    take(_ctx, key) {
      keys.push(key)
      return { allowed: true, fullInMs: 0 }
    },
  }
  const log = createLog({ level: 'silent', service: 'test' })
  const by = () => 'x'.repeat(15_000)
  const guard = rateLimit({ log }, store, { name: 'short', requests: 1, seconds: 1, by })

  await guard(
    testContext(t),
    requestWith(() => undefined),
  )

  expect(keys.map(({ length }) => length)).toEqual([43])
})

test.for([
  [3, 7],
  [6, 7],
  [7, 86_400],
  [100, 60],
] as const)('of %d requests in %d s, the first leaves one less', async ([requests, seconds], t) => {
  const log = createLog({ level: 'silent', service: 'test' })
  const limit = { name: 'odd', requests, seconds, by: () => 'one' }
  const headers: string[] = []

  await rateLimit(
    { log },
    memoryStore(),
    limit,
  )(
    testContext(t),
    requestWith((name, value) => headers.push(`${name}: ${value}`)),
  )

  expect(headers).toContain(`ratelimit: "odd";r=${requests - 1};t=${Math.ceil(seconds / requests)}`)
})

test('a limit that is checked in a transaction counts, though the transaction is rolled back', async (t) => {
  const { ctx, db } = await openOwnDatabase(t, shared())
  const store = databaseStore({ db })
  const undone = new Error('undone')
  const body = async (_q: unknown, inside: Context) => {
    await store.take(inside, 'checked inside', { windowMs: 60_000, stepMs: 6_000 }, 1_000)
    throw undone
  }

  await expect(db.transaction(ctx, body, { joins: true })).rejects.toBe(undone)

  expect(await shared().sql(`select from rate_limits where key = 'checked inside'`)).toHaveLength(1)
})

test('when the clock of the database is set back by an hour, a caller has its quota and no more', async (t) => {
  const { ctx, db } = await openOwnDatabase(t, shared())
  const store = databaseStore({ db })
  const take = async () => store.take(ctx, 'set back', { windowMs: 60_000, stepMs: 30_000 }, 1_000)
  await take()
  await shared().sql(`update rate_limits set full_at = full_at + interval '1 hour' where key = 'set back'`)

  const taken = [await take(), await take(), await take()]

  expect(taken.map(({ allowed }) => allowed)).toEqual([true, true, false])
  expect(taken[2]?.fullInMs).toBeLessThanOrEqual(60_000)
})

test('a pool that is busy for longer than the patience refuses the statement of a limit at once', async (t) => {
  const service = await startService(t, { probe: true, env: { DATABASE_POOL_MAX: '1' } })
  const sleep = () => open(`${service.url}/probe/query?seconds=3`)
  await sleep().answer
  const sleepers = [sleep(), sleep(), sleep()]
  for (const { answer } of sleepers) answer.catch(() => undefined)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  await fetch(`${service.url}/probe/limited/hasty`, { headers: { 'x-caller': 'one' } })

  const said = await service.line(({ msg }) => msg.startsWith('rate limits are not checked'))
  for (const sleeper of sleepers) sleeper.hangUp()
  expect(said).toMatchObject({ err: { message: expect.stringContaining('the service is busy') as unknown } })
})

test.for([
  [0, 60],
  [1.5, 60],
  [Infinity, 60],
  [10, 0],
  [10, NaN],
  [10, Infinity],
  [2_000_000, 1],
] as const)('a limit of %d requests in %d s is refused when it is made', ([requests, seconds]) => {
  const log = createLog({ level: 'silent', service: 'test' })

  expect(() => rateLimit({ log }, memoryStore(), { name: 'odd', requests, seconds })).toThrow(RangeError)
})

function requestWith(appendHeader: (name: string, value: string) => void): IncomingRequest {
  const body = new IncomingMessage(new Socket())
  return { method: 'GET', headers: {}, rawHeaders: [], body, setHeader: () => undefined, appendHeader }
}

test('an IPv6 client is its first 64 bits, and memory is bounded', () => {
  expect(
    ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8::1', '2001:db8:0:0:1:2:3:4', '::1', 'fe80::1%eth0'].map(
      networkOf,
    ),
  ).toEqual([
    '192.0.2.1',
    '192.0.2.1',
    '2001:db8:0:0::/64',
    '2001:db8:0:0::/64',
    '0:0:0:0::/64',
    'fe80:0:0:0::/64',
  ])
  const map = boundedMap<number>(2)
  for (const [key, value] of Object.entries({ a: 1, b: 2 })) map.set(key, value)
  map.set('a', 3)
  map.set('c', 4)
  expect(['a', 'b', 'c'].map(map.get)).toEqual([3, undefined, 4])
})
