/**
 * Promise: A statement ends in Postgres with its context, and its cancel hits no other statement.
 * Go: `db.QueryContext(ctx, …)`, `db.BeginTx(ctx, nil)`
 * Held by: src/platform/database/database.ts, src/platform/database/connection.ts, src/platform/database/cancel.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { cause, withCancel, withTimeout } from '../../src/context/context.ts'
import { ConnectionLost, QueryFailed } from '../../src/platform/database/errors.ts'
import type { Queries } from '../../src/platform/database/queries.ts'
import { Problem } from '../../src/platform/problem.ts'
import { eventually } from '../support/client.ts'
import { openTestDatabase } from '../support/database.ts'

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

test('work that catches the error of its statement sees the cause, too', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t)
  using request = withCancel(ctx)
  const seen: unknown[] = []
  const sleeping = db.run(request, (q) =>
    q.execute(sql`select pg_sleep(30)`).catch((error: unknown) => seen.push(error)),
  )
  await eventually(async () => (await active()) === 1)
  const reason = new Error('no longer wanted')

  request.cancel(reason)

  await sleeping
  // Inside of drizzle's error.
  expect(seen).toMatchObject([{ cause: reason }])
})

test('sixty requests that time out on a pool of two all end, and no statement stays active', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 2)
  using all = withTimeout(ctx, 300)

  const results = await Promise.allSettled(
    Array.from({ length: 60 }, () => db.run(all, (q) => q.execute(sql`select pg_sleep(30)`))),
  )

  // The last ones were refused at once: two connections could not have served them in time.
  const ended = results.map((result) => result.status === 'rejected' && (result.reason as unknown))
  expect(ended.every((reason) => reason === cause(all) || reason instanceof Problem)).toBe(true)
  expect(await active()).toBe(0)
  await db.run(ctx, (q) => q.execute(sql`select 1`))
  expect(db.stats().waiting).toBe(0)
})

test('a query handle is valid only until its call returns', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  const kept = await db.run(ctx, async (q) => ({ q, first: await q.execute(sql`select 1`) }))

  await expect(kept.q.execute(sql`select 1`)).rejects.toMatchObject({
    cause: { message: expect.stringContaining('after its db.run or db.transaction had returned') as string },
  })
})

test('the error of a refused statement gives place and reason, without the values', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  const insert = (q: Queries): Promise<unknown> =>
    q.execute(sql`insert into things values (${1}, ${'a secret'})`)
  await db.run(ctx, insert)

  const failure = await db.run(ctx, insert).catch((error: unknown) => error)

  expect(failure).toBeInstanceOf(QueryFailed)
  expect(failure).toMatchObject({ sqlState: '23505', constraint: 'things_pkey' })
  expect(JSON.stringify(failure)).not.toContain('a secret')
  expect(String(failure)).not.toContain('a secret')
  expect((failure as Error).stack).toContain('database.test.ts:')
})

test('the error of a refused statement leads to its caller in a transaction and in a stream too', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  const missing = sql`no_such_table`
  async function ofTransaction(): Promise<void> {
    await db.transaction(ctx, (q) => q.select({ n: sql`1` }).from(missing))
  }
  async function ofStream(): Promise<void> {
    for await (const row of db.stream(ctx, (q) => q.select({ n: sql`1` }).from(missing))) expect(row).toBe(0)
  }
  for (const work of [ofTransaction, ofStream]) {
    const failure = await work().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(QueryFailed)
    expect((failure as Error).stack).toContain(`${work.name} (`)
  }
})

test('a call whose context has ended sends nothing and does not queue', async (t) => {
  const { ctx, db, count } = await openTestDatabase(t, 1)
  using request = withCancel(ctx)
  const reason = new Error('too late')
  const work = db.run(request, async (q) => {
    await q.execute(sql`insert into things values (1)`)
    request.cancel(reason)
    await q.execute(sql`insert into things values (2)`)
  })
  await expect(work).rejects.toBe(reason)
  expect(await count('select id from things')).toBe(1)

  const late = db.run(request, (q) => q.execute(sql`insert into things values (3)`))

  expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
  await expect(late).rejects.toBe(reason)
  expect(await count('select count(*) from things')).toBe(1)
})

test('a context that ends after its statement has ended cancels nothing', async (t) => {
  const { ctx, db, count } = await openTestDatabase(t, 1)
  using request = withCancel(ctx)
  await db.run(request, (q) => q.execute(sql`select 1`))

  const next = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))
  request.cancel()

  await next
  // The first cancel opens a connection beside that of the pool.
  expect(
    await count(`select count(*) from pg_stat_activity
      where application_name = 'subject' and datname = current_database()`),
  ).toBe(1)
})

test('a call whose context ends while it waits for a connection leaves the queue', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  using first = withCancel(ctx)
  const working = db.run(first, (q) => q.execute(sql`select pg_sleep(30)`)).catch((error: unknown) => error)
  using request = withCancel(ctx)
  const waiting = db.run(request, (q) => q.execute(sql`select 1`))
  const reason = new Error('waited enough')

  request.cancel(reason)
  await expect(waiting).rejects.toBe(reason)

  first.cancel()
  await working
  await db.run(ctx, (q) => q.execute(sql`select 1`))
  expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
})

test('a connection that dies during a statement is a 503 with the reason, and is not reused', async (t) => {
  const { ctx, db, observer } = await openTestDatabase(t)
  const sleeping = db.run(ctx, (q) => q.execute(sql`select pg_sleep(30)`)).catch((error: unknown) => error)
  await eventually(async () => {
    const { rowCount } = await observer.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'subject' and state = 'active'`,
    )
    return rowCount === 1
  })

  const failure = await sleeping

  expect(failure).toBeInstanceOf(Problem)
  expect(failure).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  expect((failure as Problem).cause).toBeInstanceOf(ConnectionLost)
  expect((failure as Problem).cause).toMatchObject({ cause: { code: '57P01' } })
  await expect(db.run(ctx, (q) => q.execute(sql`select 1 as one`))).resolves.toMatchObject({
    rows: [{ one: 1 }],
  })
})

test('a value that cannot be encoded throws to the caller and closes the connection', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  const circular: Record<string, unknown> = {}
  circular['self'] = circular

  const work = db.run(ctx, (q) => q.execute(sql`select ${circular}::json`))

  await expect(work).rejects.toThrow(TypeError)
  await db.run(ctx, (q) => q.execute(sql`select 1`))
})
