/**
 * Promise: A statement ends in Postgres with its context, and its cancel hits no other.
 * Go: `db.QueryContext(ctx, …)`, `db.BeginTx(ctx, nil)`
 * Held by: src/platform/database.ts, src/platform/connection.ts, src/platform/postgres-cancel.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test, type TestContext } from 'vitest'
import pg from 'pg'
import {
  Canceled,
  cause,
  DeadlineExceeded,
  withCancel,
  withTimeout,
  type Context,
} from '../../src/context/context.ts'
import { testContext } from '../../src/context/test-context.ts'
import { openDatabase, QueryFailed, type Database, type Queries } from '../../src/platform/database.ts'
import { createLog } from '../../src/platform/log.ts'
import { eventually } from '../support/client.ts'
import { createDatabase } from '../support/postgres.ts'

test('a statement is cancelled in Postgres when its context ends, and the call rejects with the cause', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t)
  using request = withCancel(ctx)
  const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
  await eventually(async () => (await active()) === 1)
  const reason = new Error('no longer wanted')

  request.cancel(reason)

  await expect(sleeping).rejects.toBe(reason)
  expect(await active()).toBe(0)
  expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
})

test('a statement that runs is never hit by the cancel of another, on a pool that they share', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 4)
  let cancelled = 0
  const impatient = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      using request = withTimeout(ctx, Math.random() * 4)
      await db.run(request, (q) => q.execute(sql`select pg_sleep(0.003)`)).catch(() => cancelled++)
    }
  }
  const innocent = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) await db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.001)`))
  }

  await Promise.all([impatient(), innocent(), impatient(), innocent(), impatient(), innocent()])

  expect(cancelled).toBeGreaterThan(20)
})

test('sixty requests that time out on a pool of two all end, and nothing stays active', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 2)
  using all = withTimeout(ctx, 300)

  const results = await Promise.allSettled(
    Array.from({ length: 60 }, () => db.run(all, (q) => q.execute(sql`select pg_sleep(30)`))),
  )

  expect(results.every((result) => result.status === 'rejected' && result.reason === cause(all))).toBe(true)
  expect(await active()).toBe(0)
  await db.run(ctx, (q) => q.execute(sql`select 1`))
  expect(db.stats().waiting).toBe(0)
})

test('a transaction whose context ends is rolled back, and its connection is clean', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  await db.run(ctx, (q) => q.execute(sql`create table things (id int)`))
  const backend = await db.run(ctx, (q) => q.execute(sql`select pg_backend_pid()`))
  using request = withTimeout(ctx, 100)

  const work = db.transaction(request, async (q) => {
    await q.execute(sql`insert into things values (1)`)
    await q.execute(sql`select pg_sleep(30)`)
  })

  await expect(work).rejects.toBe(DeadlineExceeded)
  const { rows } = await db.run(ctx, (q) =>
    q.execute(sql`select count(*)::int as count, pg_current_xact_id_if_assigned() as xid from things`),
  )
  expect(rows[0]).toEqual({ count: 0, xid: null })
  expect(await active()).toBe(0)
  expect((await db.run(ctx, (q) => q.execute(sql`select pg_backend_pid()`))).rows).toEqual(backend.rows)
})

test('a transaction that ends while its work waits for something else is rolled back too', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  await db.run(ctx, (q) => q.execute(sql`create table things (id int)`))
  using request = withCancel(ctx)

  const work = db.transaction(request, async (q) => {
    await q.execute(sql`insert into things values (1)`)
    request.cancel()
  })

  await expect(work).rejects.toBe(Canceled)
  const { rows } = await db.run(ctx, (q) => q.execute(sql`select count(*)::int as count from things`))
  expect(rows[0]).toEqual({ count: 0 })
})

test('a commit that Postgres turned into a rollback is an error', async (t) => {
  const { ctx, db } = await openTestDatabase(t)

  const work = db.transaction(ctx, async (q) => {
    await q.execute(sql`select 1/0`).catch(() => undefined)
  })

  await expect(work).rejects.toThrow('the transaction was rolled back')
})

test('a query handle that outlives its call is dead', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  const kept = await db.run(ctx, async (q) => ({ q, first: await q.execute(sql`select 1`) }))

  await expect(kept.q.execute(sql`select 1`)).rejects.toMatchObject({
    cause: { message: expect.stringContaining('after its db.run or db.transaction had returned') as string },
  })
})

test('a refused statement says what and why, and holds no values of the statement', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  await db.run(ctx, (q) => q.execute(sql`create table things (id int primary key, name text)`))
  const insert = (q: Queries): Promise<unknown> =>
    q.execute(sql`insert into things values (${1}, ${'a secret'})`)
  await db.run(ctx, insert)

  const failure = await db.run(ctx, insert).catch((error: unknown) => error)

  expect(failure).toBeInstanceOf(QueryFailed)
  expect(failure).toMatchObject({ sqlState: '23505', constraint: 'things_pkey' })
  expect(JSON.stringify(failure)).not.toContain('a secret')
  expect(String(failure)).not.toContain('a secret')
})

test('a connection that dies under a statement is not given to the next one', async (t) => {
  const { ctx, db, observer } = await openTestDatabase(t)
  const sleeping = expect(db.run(ctx, (q) => q.execute(sql`select pg_sleep(30)`))).rejects.toMatchObject({
    sqlState: '57P01',
  })
  await eventually(async () => {
    const { rowCount } = await observer.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'subject' and state = 'active'`,
    )
    return rowCount === 1
  })

  await sleeping
  await expect(db.run(ctx, (q) => q.execute(sql`select 1 as one`))).resolves.toMatchObject({
    rows: [{ one: 1 }],
  })
})

interface TestDatabase {
  readonly ctx: Context
  readonly db: Database
  /** A connection that the database under test knows nothing of. */
  readonly observer: pg.Client
  /** How many of its backends are not idle. */
  active(): Promise<number>
}

async function openTestDatabase(t: TestContext, poolMax = 2): Promise<TestDatabase> {
  const ctx = testContext(t)
  const { url, drop } = await createDatabase()
  const log = createLog({ level: 'silent', service: 'test' })
  const db = await openDatabase(ctx, log, { url, poolMax, applicationName: 'subject' })
  const observer = new pg.Client({ connectionString: url, application_name: 'test' })
  await observer.connect()
  t.onTestFinished(async () => {
    await observer.end()
    await db.close(ctx)
    await drop()
  })
  return {
    ctx,
    db,
    observer,
    async active() {
      const { rows } = await observer.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
          where application_name = 'subject' and datname = current_database() and state <> 'idle'`,
      )
      return rows[0]?.count ?? 0
    },
  }
}
