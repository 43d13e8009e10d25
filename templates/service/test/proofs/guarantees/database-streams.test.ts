/**
 * Promise: A stream reads rows only as fast as they are consumed, and ends with its context.
 * Go: `rows, err := db.QueryContext(ctx, …)`; `defer rows.Close()`
 * Held by: src/platform/database/stream.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { cause, withCancel, withTimeout } from '../../../src/context/context.ts'
import type { Queries } from '../../../src/platform/database/queries.ts'
import { eventually, open, running } from '../../support/client.ts'
import { openTestDatabase, type ProxiedDatabase } from '../support/database.ts'
import { startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const things = pgTable('things', { id: integer().primaryKey(), name: text() })

const numbers = (q: Queries, to: number) =>
  q.select({ n: sql<number>`n` }).from(sql`generate_series(1, ${to}) n`)

test('rows come one by one, with types from drizzle, and the connection returns to the pool after the last one', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  await db.run(ctx, (q) =>
    q.execute(sql`insert into things select n, 'thing ' || n from generate_series(1, 250) n`),
  )

  const rows: { id: number; name: string | null }[] = []
  for await (const row of db.stream(ctx, (q) => q.select().from(things).orderBy(things.id))) rows.push(row)

  expect(rows).toHaveLength(250)
  expect(rows[249]).toEqual({ id: 250, name: 'thing 250' })
  await expectClean(active, db)
})

test('Postgres gets the rest of the deadline as its statement timeout', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  using request = withTimeout(ctx, 60_000)
  const seconds = sql<number>`extract(epoch from current_setting('statement_timeout')::interval)::int`

  const rows = db.stream(request, (q) => q.select({ seconds }).from(sql`generate_series(1, 1)`))

  const { value } = await rows.next()
  expect(value?.seconds).toBeGreaterThan(50)
  // A second more, because the context should end the statement.
  expect(value?.seconds).toBeLessThanOrEqual(61)
  await rows.return()
})

test('the next batch is fetched only when it is needed', async (t) => {
  const { ctx, db, proxy } = await openTestDatabase(t, 1)
  let fetched = 0
  proxy.toServer = (_link, bytes) => {
    if (bytes.includes('FETCH')) fetched++
    return undefined
  }
  const rows = db.stream(ctx, (q) => numbers(q, 1_000_000), { batchRows: 10 })

  for (let i = 0; i < 10; i++) await rows.next()
  expect(fetched).toBe(1)
  await expect(rows.next()).resolves.toEqual({ done: false, value: { n: 11 } })
  expect(fetched).toBe(2)
  await rows.return()
})

test('leaving the loop closes the cursor and returns the connection', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
  for await (const { n } of db.stream(ctx, (q) => numbers(q, 1_000_000))) {
    if (n === 150) break
  }
  await expectClean(active, db)
  await expect(
    (async () => {
      for await (const { n } of db.stream(ctx, (q) => numbers(q, 1_000_000))) throw new Error(`at ${n}`)
    })(),
  ).rejects.toThrow('at 1')
  await expectClean(active, db)
  expect(proxy.seen).toEqual({ session: 1, cancel: 0, tls: 0 })
})

test('a fetch is cancelled in Postgres when the context ends, and the loop rejects with the cause', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
  using request = withCancel(ctx)
  const reason = new Error('no longer wanted')
  const slow = (q: Queries) => q.select({ nap: sql`pg_sleep(0.01)` }).from(sql`generate_series(1, 1000000)`)
  const reading = (async () => {
    const rows = []
    for await (const row of db.stream(request, slow, { batchRows: 5 })) {
      if (rows.push(row) === 12) setImmediate(() => request.cancel(reason))
    }
  })()

  await expect(reading).rejects.toBe(reason)

  await expectClean(active, db)
  // One of them is the control connection's.
  expect(proxy.seen).toEqual({ session: 2, cancel: 0, tls: 0 })
})

test('a stream whose context ends returns its connection, even if nobody asks for another row', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  using request = withCancel(ctx)
  const rows = db.stream(request, (q) => numbers(q, 1_000_000))
  await rows.next()
  expect(await active()).toBe(1)

  request.cancel()

  await expectClean(active, db)
  await expect(rows.next()).rejects.toBe(cause(request))
})

test('nothing is sent if the context ended before the first row was requested', async (t) => {
  const { ctx, db, proxy } = await openTestDatabase(t, 1)
  using request = withCancel(ctx)
  const rows = db.stream(request, (q) => numbers(q, 10))
  request.cancel()
  let sent = false
  proxy.toServer = () => {
    sent = true
    return undefined
  }

  await expect(rows.next()).rejects.toBe(cause(request))
  expect(sent).toBe(false)
  expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
})

test('a batch size of zero is refused: an empty batch would look like the end', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)

  for (const batchRows of [0, -1, 1.5, NaN]) {
    const rows = db.stream(ctx, (q) => numbers(q, 10), { batchRows })
    await expect(rows.next()).rejects.toThrow(`batchRows: expected a whole number above 0, got ${batchRows}`)
  }
  await expectClean(active, db)
})

test('a statement that fails midway throws after the rows before the failure', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  let last = 0
  const failing = (q: Queries) =>
    q.select({ n: sql<number>`n`, quotient: sql`1 / (150 - n)` }).from(sql`generate_series(1, 200) n`)
  const reading = (async () => {
    for await (const { n } of db.stream(ctx, failing, { batchRows: 50 })) last = n
  })()

  await expect(reading).rejects.toMatchObject({ name: 'QueryFailed', sqlState: '22012' })
  expect(last).toBe(100)
  await expectClean(active, db)
})

test('a response streamed from the database arrives whole, and its statement ends when the client hangs up', async (t) => {
  const service = await startService(t, { probe: proofs, env: { DATABASE_POOL_MAX: '1' } })
  const whole = await fetch(`${service.url}/probe/rows?count=1234`)
  const lines = (await whole.text()).trimEnd().split('\n')
  expect(lines).toHaveLength(1_234)
  expect(lines[1_233]).toBe('{"n":1234}')

  const inTransaction = async (): Promise<boolean> => {
    const [row] = await service.sql(
      `select count(*)::int as count from pg_stat_activity
        where datname = current_database() and application_name <> 'test' and state <> 'idle'`,
    )
    return row?.['count'] === 1
  }
  const endless = open(`${service.url}/probe/rows?count=10000000`)
  await eventually(inTransaction)
  endless.hangUp()

  await eventually(async () => !(await inTransaction()))
  expect((await fetch(`${service.url}/probe/query?seconds=0`)).status).toBe(200)
  const line = await service.line((entry) => entry['route'] === '/probe/rows' && entry['status'] === 499)
  expect(line).toMatchObject({ cause: 'ClientDisconnected' })
})

test('a response whose stream gets no connection is a problem: 504 at its deadline, 503 if the pool refuses it', async (t) => {
  const service = await startService(t, { probe: proofs, env: { DATABASE_POOL_MAX: '1' } })
  const hold = (seconds: number) => open(`${service.url}/probe/query?seconds=${seconds}`)
  const rows = (patienceMs: number) =>
    fetch(`${service.url}/probe/rows?count=1`, {
      headers: { 'x-envoy-expected-rq-timeout-ms': String(patienceMs) },
    })
  const first = hold(1)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  expect(await rows(200)).toMatchObject({ status: 504 })
  await first.answer
  // The pool has measured how long a connection is held.
  const second = hold(10)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  const refused = await rows(500)

  expect(refused.status).toBe(503)
  expect(refused.headers.get('content-type')).toBe('application/problem+json')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await service.line(({ status }) => status === 503)).toMatchObject({ route: '/probe/rows' })
  second.hangUp()
})

async function expectClean(active: ProxiedDatabase['active'], db: ProxiedDatabase['db']): Promise<void> {
  await eventually(async () => (await active()) === 0)
  await eventually(() => Promise.resolve(db.stats().idle === 1))
}
