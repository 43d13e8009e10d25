/**
 * Promise: A statement ends in Postgres with its context, and its cancel hits no other.
 * Go: `db.QueryContext(ctx, …)`, `db.BeginTx(ctx, nil)`
 * Held by: src/platform/database.ts, src/platform/connection.ts, src/platform/postgres-cancel.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { cause, withCancel, withTimeout, type Context } from '../../src/context/context.ts'
import { ConnectionLost, QueryFailed } from '../../src/platform/database-errors.ts'
import type { Queries } from '../../src/platform/database-queries.ts'
import { openDatabase, type Database } from '../../src/platform/database.ts'
import { createLog } from '../../src/platform/log.ts'
import { Problem } from '../../src/platform/problem.ts'
import { eventually } from '../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import type { Link, Proxy } from '../support/proxy.ts'

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

test('the work itself sees the cause, too, where it catches what its statement rejects with', async (t) => {
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
  // Within what drizzle makes of it.
  expect(seen).toMatchObject([{ cause: reason }])
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

test('a query handle that outlives its call is dead', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  const kept = await db.run(ctx, async (q) => ({ q, first: await q.execute(sql`select 1`) }))

  await expect(kept.q.execute(sql`select 1`)).rejects.toMatchObject({
    cause: { message: expect.stringContaining('after its db.run or db.transaction had returned') as string },
  })
})

test('a refused statement says what and why, and holds no values of the statement', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  const insert = (q: Queries): Promise<unknown> =>
    q.execute(sql`insert into things values (${1}, ${'a secret'})`)
  await db.run(ctx, insert)

  const failure = await db.run(ctx, insert).catch((error: unknown) => error)

  expect(failure).toBeInstanceOf(QueryFailed)
  expect(failure).toMatchObject({ sqlState: '23505', constraint: 'things_pkey' })
  expect(JSON.stringify(failure)).not.toContain('a secret')
  expect(String(failure)).not.toContain('a secret')
})

test('nothing is sent for a context that has ended, and no place in the queue is taken', async (t) => {
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

test('a context that ends after its statement cancels nothing', async (t) => {
  const { ctx, db, proxy } = await openTestDatabase(t, 1)
  using request = withCancel(ctx)
  await db.run(request, (q) => q.execute(sql`select 1`))

  const next = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))
  request.cancel()

  await next
  expect(proxy.seen.cancel).toBe(0)
})

test('a call that waits for a connection gives up with its context, and leaves the connection to the others', async (t) => {
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

test('a cancel that is on its way as the result arrives keeps its connection until it has arrived as well', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
  let letGo = (): void => undefined
  const held = new Promise<undefined>((resolve) => {
    letGo = () => resolve(undefined)
  })
  proxy.toServer = (link) => (link.kind === 'cancel' ? held : undefined)
  using request = withCancel(ctx)
  let settled = false
  const first = db
    .run(request, (q) => q.execute(sql`select pg_sleep(0.3), 'done' as result`))
    .finally(() => (settled = true))
  await eventually(async () => (await active()) === 1)
  const next = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))
  request.cancel()
  await eventually(async () => (await active()) === 0)
  // For the result, which Postgres has sent by now.
  await new Promise((resolve) => setTimeout(resolve, 50))

  expect(settled).toBe(false)
  expect(db.stats()).toMatchObject({ idle: 0, waiting: 1 })
  letGo()

  // It was done before the cancel arrived, so this is what it gave.
  await expect(first).resolves.toMatchObject({ rows: [{ result: 'done' }] })
  await next
  expect(proxy.seen).toEqual({ session: 1, cancel: 1, tls: 0 })
})

test('a cancel that Postgres did not hear is sent again', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
  proxy.toServer = (link) => (link.kind === 'cancel' && proxy.seen.cancel < 3 ? 'lose' : undefined)
  using request = withCancel(ctx)
  const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
  await eventually(async () => (await active()) === 1)

  request.cancel()

  await expect(sleeping).rejects.toBe(cause(request))
  // A busy Postgres may take so long to end it that there is one more.
  expect(proxy.seen).toMatchObject({ session: 1, tls: 0 })
  expect(proxy.seen.cancel).toBeGreaterThanOrEqual(3)
})

test('each cancel opens the connection of the next one, and the pool closes what it leaves', async (t) => {
  const { ctx, proxy, active } = await openTestDatabase(t, 1)
  const options = { url: proxy.url, poolMax: 1, applicationName: 'subject' }
  const db = await openDatabase(ctx, createLog({ level: 'silent', service: 'test' }), options)
  await cancelOne(ctx, db, active)
  const ready = await readyLink(proxy)

  await cancelOne(ctx, db, active)

  expect(ready.kind).toBe('cancel')
  await readyLink(proxy)
  await db.close(ctx)
  // The other pool of this test has the one that is left.
  await eventually(() => Promise.resolve(proxy.links.size === 1))
})

test('a connection for the next cancel that is cut off meanwhile is replaced', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
  await cancelOne(ctx, db, active)
  const ready = await readyLink(proxy)
  proxy.toServer = (link) => {
    if (link === ready) link.cut()
    return undefined
  }

  await cancelOne(ctx, db, active)

  expect(ready.kind).toBe('cancel')
  expect(proxy.seen).toEqual({ session: 1, cancel: 3, tls: 0 })
})

test('a connection that dies while its cancel is under way is replaced', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
  proxy.toServer = (link) => {
    if (link.kind !== 'cancel') return undefined
    for (const other of proxy.links) if (other.kind === 'session') other.cut()
    return undefined
  }
  using request = withCancel(ctx)
  const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
  await eventually(async () => (await active()) === 1)
  const reason = new Error('no longer wanted')

  request.cancel(reason)

  await expect(sleeping).rejects.toBe(reason)
  await db.run(ctx, (q) => q.execute(sql`select 1`))
  expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
})

test('a statement whose cancel cannot be delivered holds up nobody: its connection is closed', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
  proxy.toServer = (link) => {
    if (link.kind === 'cancel') link.cut()
    return undefined
  }
  using request = withCancel(ctx)
  const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
  await eventually(async () => (await active()) === 1)

  request.cancel()

  await expect(sleeping).rejects.toBe(cause(request))
  await db.run(ctx, (q) => q.execute(sql`select 1`))
  expect(proxy.seen).toEqual({ session: 2, cancel: 1, tls: 0 })
})

test('a connection that dies under a statement is a 503 with its reason, and is not given to the next one', async (t) => {
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

test('a value that cannot be encoded is an error of the caller, and costs the connection', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  const circular: Record<string, unknown> = {}
  circular['self'] = circular

  const work = db.run(ctx, (q) => q.execute(sql`select ${circular}::json`))

  await expect(work).rejects.toThrow(TypeError)
  await db.run(ctx, (q) => q.execute(sql`select 1`))
})

test('a storm of cancels opens four side connections at a time', async (t) => {
  const { ctx, db, proxy, active } = await openTestDatabase(t, 12)
  let most = 0
  proxy.toServer = async (link) => {
    if (link.kind !== 'cancel') return undefined
    most = Math.max(most, [...proxy.links].filter(({ kind }) => kind === 'cancel').length)
    // Time for the others to come, if there were no limit.
    await new Promise((resolve) => setTimeout(resolve, 50))
    return undefined
  }
  using all = withCancel(ctx)
  const sleeping = Array.from({ length: 12 }, () =>
    db.run(all, (q) => q.execute(sql`select pg_sleep(30)`)).catch((error: unknown) => error),
  )
  await eventually(async () => (await active()) === 12)

  all.cancel()

  expect(await Promise.all(sleeping)).toEqual(Array.from({ length: 12 }, () => cause(all)))
  expect(most).toBe(4)
  expect(await active()).toBe(0)
})

test('two thousand cancels on a small pool hit no neighbour, and leave nothing behind', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 4)
  let ended = false
  let cancelled = 0
  const impatient = async (): Promise<void> => {
    for (let i = 0; i < 500; i++) {
      using request = withTimeout(ctx, Math.random() * 3)
      await oneOf(request, db).catch((error: unknown) => {
        expect(error).toBe(cause(request))
        cancelled++
      })
    }
  }
  const innocent = async (): Promise<void> => {
    while (!ended) await db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.001)`))
  }

  const neighbours = Promise.all([innocent(), innocent()])
  await Promise.all([impatient(), impatient(), impatient(), impatient()])
  ended = true
  await neighbours

  expect(cancelled).toBeGreaterThan(1_000)
  expect(await active()).toBe(0)
  expect(db.stats()).toMatchObject({ idle: 4, waiting: 0 })
})

/** Has one statement cancelled while it runs. */
async function cancelOne(ctx: Context, db: Database, active: () => Promise<number>): Promise<void> {
  using request = withCancel(ctx)
  const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
  await eventually(async () => (await active()) === 1)
  request.cancel()
  await expect(sleeping).rejects.toBe(cause(request))
}

/** The connection on which nothing has been said yet: there is to be one. */
async function readyLink(proxy: Proxy): Promise<Link> {
  const ready = (): Link[] => [...proxy.links].filter(({ kind }) => kind === undefined)
  await eventually(() => Promise.resolve(ready().length === 1))
  const [link] = ready()
  if (link === undefined) throw new Error('no connection is ready for the next cancel')
  return link
}

/** A call of any kind that takes about three milliseconds. */
async function oneOf(ctx: Context, db: Database): Promise<unknown> {
  const kind = Math.random()
  const nap = sql`select pg_sleep(0.003)`
  if (kind < 0.5) return db.run(ctx, (q) => q.execute(nap))
  if (kind < 0.7) return db.transaction(ctx, (q) => q.execute(nap))
  if (kind < 0.9) return db.transaction(ctx, (q, ctx) => q.savepoint(ctx, (q) => q.execute(nap)))
  const rows = []
  const naps = db.stream(ctx, (q) => q.select({ nap: sql`pg_sleep(0.001)` }).from(sql`generate_series(1, 3)`))
  for await (const row of naps) rows.push(row)
  return rows
}
