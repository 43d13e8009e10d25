/**
 * Promise: Under overload the service keeps serving what it can, and refuses the rest at once.
 * Go: none; a semaphore and a deadline come closest
 * Held by: src/platform/database/admission.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { withCancel, withTimeout } from '../../src/context/context.ts'
import { sleep } from '../../src/context/sleep.ts'
import { until } from '../../src/context/until.ts'
import { Problem } from '../../src/platform/problem.ts'
import { eventually, open } from '../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import { startService } from '../support/service.ts'

/** A statement of 50 ms on a pool of two: the capacity is forty a second. */
const env = { DATABASE_POOL_MAX: '2', REQUEST_TIMEOUT_MS: '1000' }
const path = '/probe/query?seconds=0.05'

test('at three times the load the service answers nearly all that it can in time, and refuses the rest at once', async (t) => {
  const service = await startService(t, { probe: true, env })
  const answers: { status: number; tookMs: number; retryAfter: unknown }[] = []
  const probes: { status: number; tookMs: number }[] = []
  const requests: Promise<void>[] = []
  const seconds = 4
  const startedAt = performance.now()

  for (let i = 0; i < 120 * seconds; i++) {
    const dueMs = (i * 1_000) / 120
    await eventually(async () => performance.now() - startedAt >= dueMs)
    const askedAt = performance.now()
    requests.push(
      open(service.url + path).answer.then(({ status, headers }) => {
        answers.push({ status, tookMs: performance.now() - askedAt, retryAfter: headers['retry-after'] })
      }),
    )
    if (i % 60 === 0) {
      for (const url of [`${service.url}/livez`, `${service.url}/readyz`, `${service.adminUrl}/metrics`]) {
        const probedAt = performance.now()
        requests.push(
          open(url).answer.then(({ status }) => {
            probes.push({ status, tookMs: performance.now() - probedAt })
          }),
        )
      }
    }
  }
  await Promise.all(requests)

  const served = answers.filter(({ status }) => status === 200)
  const refused = answers.filter(({ status }) => status === 503)
  // 160 could be served; the machine may be busy.
  expect(served.length).toBeGreaterThan(100)
  // All but a few, for which a busy machine is late.
  expect(served.length + refused.length).toBeGreaterThan(0.9 * answers.length)
  expect(refused.every(({ retryAfter }) => Number(retryAfter) >= 1)).toBe(true)
  // Random, so that the clients do not all retry at once.
  expect(new Set(refused.map(({ retryAfter }) => retryAfter)).size).toBeGreaterThan(1)
  // A busy machine delays the probes as well.
  expect(median(refused.map(({ tookMs }) => tookMs))).toBeLessThan(
    100 + 4 * median(probes.map(({ tookMs }) => tookMs)),
  )
  expect(new Set(probes.map(({ status }) => status))).toEqual(new Set([200]))
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
  expect(metrics).toMatch(/db_client_connection_refused\S*db_client_connection_refusal="overload"\S* [1-9]/)
})

test('a burst is not an overload: two hundred requests at once on an idle service are all served', async (t) => {
  const service = await startService(t, { probe: true })

  const burst = Array.from({ length: 200 }, () => open(service.url + path).answer)
  // Requests that arrive while the queue shrinks are served too.
  const afterwards = eventually(async () => (await fetch(`${service.url}${path}`)).status === 200, 1)

  expect(new Set((await Promise.all(burst)).map(({ status }) => status))).toEqual(new Set([200]))
  await afterwards
})

test('a call that no connection could serve before its deadline is refused at once', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  // The pool has now measured how long a connection is held.
  await db.run(ctx, (q) => q.execute(sql`select pg_sleep(1)`))
  const held = db.run(ctx, (q) => q.execute(sql`select pg_sleep(1)`))
  await eventually(async () => (await active()) === 1)
  using hurried = withTimeout(ctx, 900)
  const askedAt = performance.now()

  const refused = db.run(hurried, (q) => q.execute(sql`select 1`))

  await expect(refused).rejects.toThrow('the service is busy')
  await expect(refused).rejects.toBeInstanceOf(Problem)
  expect(performance.now() - askedAt).toBeLessThan(500)
  await held
})

test('streams leave half of the pool to calls that last less long', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 2)
  const rows = () => db.stream(ctx, (q) => q.select({ n: sql<number>`n` }).from(sql`generate_series(1, 9) n`))
  const first = rows()
  await first.next()
  using patient = withTimeout(ctx, 300)

  const second = db.stream(patient, (q) => q.select({ n: sql<number>`n` }).from(sql`generate_series(1, 9) n`))

  await expect(second.next()).rejects.toThrow()
  await db.run(ctx, (q) => q.execute(sql`select 1`))
  await first.return(undefined)
  const third = rows()
  expect(await third.next()).toMatchObject({ done: false })
  await third.return(undefined)
})

test.for([5, 3])(
  'transactions that wait leave a connection of a pool of %i to other calls',
  async (max, t) => {
    const { ctx, db, active } = await openTestDatabase(t, max)
    using request = withTimeout(ctx, 20_000)
    let answer: () => void = () => undefined
    const elsewhere = new Promise<void>((resolve) => (answer = resolve))
    // The work should not do this, but must not wait for itself if it does.
    const readOutside = () => db.run(request, (q) => q.execute(sql`select 1`))
    const long = Array.from({ length: 8 }, () =>
      db.transaction(request, async (q) => {
        await q.execute(sql`select 1`)
        await until(request, elsewhere)
        await readOutside()
      }),
    )
    await eventually(async () => (await active()) === max - 1)

    expect(db.stats().waiting).toBe(9 - max)
    await readOutside()
    answer()

    await Promise.all(long)
    expect(db.stats().waiting).toBe(0)
  },
)

test('a call whose context ends while it waits leaves its place in the queue to the next', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  const held = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.3)`))
  await eventually(async () => (await active()) === 1)
  using leaving = withCancel(ctx)

  const given = db.run(leaving, (q) => q.execute(sql`select 1`))
  const next = db.run(ctx, (q) => q.execute(sql`select 1`))
  expect(db.stats().waiting).toBe(2)
  leaving.cancel()

  await expect(given).rejects.toThrow('context canceled')
  await held
  await next
  await sleep(ctx, 0)
  expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
})

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}
