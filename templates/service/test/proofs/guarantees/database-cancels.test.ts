/**
 * Promise: A cancel reaches its backend and hits no other statement, over the control connection or, if that fails, with a CancelRequest.
 * Go: pgx cancels with a CancelRequest, and closes the connection
 * Held by: src/platform/database/cancel.ts, src/platform/database/control.ts, src/platform/database/packet.ts
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { describe, expect, test, vi } from 'vitest'
import { cause, withCancel, type Context } from '../../../src/context/context.ts'
import { openDatabase, type Database } from '../../../src/platform/database/database.ts'
import { eventually } from '../../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import type { Link } from '../support/proxy.ts'
import { recordedLog, type RecordedLog } from '../support/recorded-log.ts'

describe('over the control connection', () => {
  test('the first cancel opens the connection, later ones reuse it, and the pool closes it', async (t) => {
    const { ctx, proxy, active } = await openTestDatabase(t, 1)
    const options = { url: proxy.url, poolMax: 1, applicationName: 'subject' }
    const db = await openDatabase(ctx, recordedLog(), options)
    const before = proxy.seen.session

    for (let i = 0; i < 3; i++) await cancelOne(ctx, db, active)

    expect(proxy.seen).toEqual({ session: before + 1, cancel: 0, tls: 0 })
    expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
    await db.close(ctx)
    // The other pool of this test uses the remaining slot.
    await eventually(async () => proxy.links.size === 1)
  })

  test('a storm of cancels opens one connection and sends no CancelRequest', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 12)
    using all = withCancel(ctx)
    const sleeping = Array.from({ length: 12 }, () => sleep(all, db))
    await eventually(async () => (await active()) === 12)

    all.cancel()

    expect(await Promise.all(sleeping)).toEqual(Array.from({ length: 12 }, () => cause(all)))
    expect(proxy.seen).toEqual({ session: 13, cancel: 0, tls: 0 })
    expect(await active()).toBe(0)
  })

  test('cancels that wait for the answer to the one before are sent in one statement', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 4)
    await cancelOne(ctx, db, active)
    const held = whenToldTo()
    let asked = 0
    proxy.toServer = (_link, bytes) => (asksForCancel(bytes) && asked++ === 0 ? held.promise : undefined)
    using first = withCancel(ctx)
    using others = withCancel(ctx)
    const sleeping = [first, others, others, others].map((ctx) => sleep(ctx, db))
    await eventually(async () => (await active()) === 4)
    first.cancel()
    await eventually(async () => asked === 1)
    others.cancel()
    held.goOn()

    expect(await Promise.all(sleeping)).toEqual([first, others, others, others].map(cause))
    expect(asked).toBe(2)
    expect(proxy.seen).toEqual({ session: 5, cancel: 0, tls: 0 })
  })

  test('while a cancel is unanswered, the connection of its ended statement is not reused', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
    await cancelOne(ctx, db, active)
    const held = whenToldTo()
    proxy.toServer = (_link, bytes) => (asksForCancel(bytes) ? held.promise : undefined)
    using request = withCancel(ctx)
    let settled = false
    const first = db
      .run(request, (q) => q.execute(sql`select pg_sleep(0.2), 'done' as result`))
      .finally(() => (settled = true))
    await eventually(async () => (await active()) === 1)
    const next = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))
    request.cancel()
    await eventually(async () => (await active()) === 0)
    // Waits for the result, which Postgres has sent by now.
    await new Promise((resolve) => setTimeout(resolve, 50))

    expect(settled).toBe(false)
    held.goOn()

    await expect(first).resolves.toMatchObject({ rows: [{ result: 'done' }] })
    await next
    expect(proxy.seen).toEqual({ session: 2, cancel: 0, tls: 0 })
  })

  test('when its lifetime is over, the next cancel opens a new one', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
    vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ['setTimeout', 'clearTimeout'] })
    t.onTestFinished(() => void vi.useRealTimers())
    await cancelOne(ctx, db, active)
    expect(proxy.links.size).toBe(2)

    await vi.advanceTimersByTimeAsync(5 * 60_000)

    await eventually(async () => proxy.links.size === 0)
    await cancelOne(ctx, db, active)
    expect(proxy.seen).toEqual({ session: 4, cancel: 0, tls: 0 })
  })

  test('a pid that now belongs to another process is not cancelled: the statement gets a CancelRequest', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
    const log = recordedLog()
    const other = await openDatabase(ctx, log, { url: proxy.url, poolMax: 1, applicationName: 'stranger' })
    t.onTestFinished(() => other.close(ctx))
    const { rows } = await other.run(ctx, (q) => q.execute(sql`select pg_backend_pid()::text as pid`))
    const innocent = other.run(ctx, (q) => q.execute(sql`select pg_sleep(0.5), 'well' as how`))
    let asked = 0
    proxy.toServer = (_link, bytes) => {
      if (!asksForCancel(bytes)) return undefined
      asked++
      // As if another process had got the pid of the backend to be cancelled.
      replaceNumber(bytes, () => String(rows[0]?.['pid']))
      return undefined
    }

    await cancelOne(ctx, db, active)

    await expect(innocent).resolves.toMatchObject({ rows: [{ how: 'well' }] })
    expect(asked).toBe(1)
    expect(proxy.seen).toEqual({ session: 3, cancel: 1, tls: 0 })
  })

  test('if one of several cancels sent together names a pid of another process, its statement gets a CancelRequest', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 4)
    await cancelOne(ctx, db, active)
    const held = whenToldTo()
    let asked = 0
    proxy.toServer = (_link, bytes) => {
      if (!asksForCancel(bytes)) return undefined
      if (++asked === 1) return held.promise
      // No process of this server has it.
      replaceNumber(bytes, (pid) => pid.replace(/./g, '9'))
      return undefined
    }
    using first = withCancel(ctx)
    using others = withCancel(ctx)
    const sleeping = [first, others, others, others].map((ctx) => sleep(ctx, db))
    await eventually(async () => (await active()) === 4)
    first.cancel()
    await eventually(async () => asked === 1)
    others.cancel()
    held.goOn()

    expect(await Promise.all(sleeping)).toEqual([first, others, others, others].map(cause))
    expect(asked).toBe(2)
    expect(proxy.seen).toEqual({ session: 5, cancel: 1, tls: 0 })
    expect(db.stats()).toEqual({ total: 4, idle: 4, waiting: 0 })
  })

  test('if the role may not cancel, a CancelRequest is sent and the reason is logged once', async (t) => {
    const log = recordedLog()
    const { ctx, db, proxy, active, observer } = await openTestDatabase(t, 1, { log, role: '' })
    await observer.query('revoke execute on function pg_cancel_backend from public')

    await cancelOne(ctx, db, active)
    await cancelOne(ctx, db, active)

    expect(proxy.seen).toEqual({ session: 2, cancel: 2, tls: 0 })
    expectWarnings(log, ['permission denied for function pg_cancel_backend'])
  })

  test('a role whose connections act as another role can cancel', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, {
      role: 'in role pg_monitor',
      actsAs: 'pg_monitor',
    })

    await cancelOne(ctx, db, active)

    expect(proxy.seen).toMatchObject({ cancel: 1, tls: 0 })
  })

  test('if Postgres has no free slot, a CancelRequest is sent and the pool keeps its connections', async (t) => {
    const log = recordedLog()
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, { log, role: 'connection limit 1' })

    await cancelOne(ctx, db, active)
    await cancelOne(ctx, db, active)

    // The pool did not retry for a slot at once.
    expect(proxy.seen).toEqual({ session: 2, cancel: 2, tls: 0 })
    expectWarnings(log, [expect.stringContaining('too many connections for role') as string])
  })

  test('if Postgres is unreachable, a CancelRequest is sent as soon as it is reachable again', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
    await proxy.refuse()
    using request = withCancel(ctx)
    const sleeping = sleep(request, db)
    await eventually(async () => (await active()) === 1)

    request.cancel()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await proxy.open()

    expect(await sleeping).toBe(cause(request))
    expect(proxy.seen).toEqual({ session: 1, cancel: 1, tls: 0 })
  })

  test('if the control connection is lost before it answers, a CancelRequest is sent and the connection of the statement is closed', async (t) => {
    const log = recordedLog()
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, { log })
    await cancelOne(ctx, db, active)
    proxy.toServer = (link, bytes) => {
      if (asksForCancel(bytes)) link.cut()
      return undefined
    }

    await cancelOne(ctx, db, active)
    await db.run(ctx, (q) => q.execute(sql`select 1`))

    expect(proxy.seen).toEqual({ session: 3, cancel: 1, tls: 0 })
    expect(
      log.lines.filter(({ message }) => message.startsWith('a statement could not be cancelled')),
    ).toHaveLength(1)
  })

  test('if the control connection does not answer, a CancelRequest is sent within seconds, and a late cancel hits no statement', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
    await cancelOne(ctx, db, active)
    const held = whenToldTo()
    proxy.toServer = (_link, bytes) => (asksForCancel(bytes) ? held.promise : undefined)

    await cancelOne(ctx, db, active)

    const innocent = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.3), 'well' as how`))
    await eventually(async () => (await active()) === 1)
    held.goOn()
    await expect(innocent).resolves.toMatchObject({ rows: [{ how: 'well' }] })
    expect(proxy.seen).toEqual({ session: 3, cancel: 1, tls: 0 })
  })

  test('a statement that has ended does not wait for an unanswered cancel', async (t) => {
    const log = recordedLog()
    const { ctx, db, proxy, active } = await openTestDatabase(t, 3, { log })
    await cancelOne(ctx, db, active)
    const held = whenToldTo()
    proxy.toServer = (_link, bytes) => (asksForCancel(bytes) ? held.promise : undefined)
    using request = withCancel(ctx)
    const swallowed = sleep(request, db)
    await eventually(async () => (await active()) === 1)
    request.cancel()
    using brief = withCancel(ctx)
    const ending = db.run(brief, (q) => q.execute(sql`select pg_sleep(0.2)`))
    await eventually(async () => (await active()) === 2)
    brief.cancel()

    await ending

    // The one second has not passed in which Postgres may answer.
    expect(log.lines).toEqual([])
    await swallowed
  })
})

describe('with a CancelRequest:', () => {
  const pooler = { pooler: true } as const

  test('a context that ends after its statement has ended sends none', async (t) => {
    const { ctx, db, proxy } = await openTestDatabase(t, 1, pooler)
    using request = withCancel(ctx)
    await db.run(request, (q) => q.execute(sql`select 1`))

    const next = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))
    request.cancel()

    await next
    expect(proxy.seen.cancel).toBe(0)
  })

  test('the request is written, and the server closes its connection, as with libpq', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, pooler)
    const links: Link[] = []
    proxy.toServer = (link) => {
      if (link.kind === 'cancel') links.push(link)
      return undefined
    }

    await cancelOne(ctx, db, active)
    await cancelOne(ctx, db, active)

    expect(links.length).toBeGreaterThanOrEqual(2)
    expect(links.filter(({ halfClosed }) => halfClosed)).toEqual([])
  })

  test('a request that was lost after it was sent may still arrive, so its backend gets no other statement', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, pooler)
    await cancelOne(ctx, db, active)
    const late = whenToldTo()
    let lost = false
    proxy.toServer = (link) => {
      if (link.kind !== 'cancel' || lost) return undefined
      lost = true
      link.cutClient()
      return late.promise
    }
    using request = withCancel(ctx)
    const sleeping = sleep(request, db)
    await eventually(async () => (await active()) === 1)

    request.cancel()
    expect(await sleeping).toBe(cause(request))
    const innocent = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.3), 'well' as how`))
    await eventually(async () => (await active()) >= 1)
    late.goOn()

    await expect(innocent).resolves.toMatchObject({ rows: [{ how: 'well' }] })
  })

  // Both wait for five seconds.
  test(
    'a statement that has ended does not wait for cancels that the network swallows',
    { concurrent: true },
    async (t) => {
      const { ctx, db, proxy, active } = await openTestDatabase(t, 5, pooler)
      const never = whenToldTo()
      proxy.toServer = (link) => (link.kind === 'cancel' ? never.promise : undefined)
      using swallowed = withCancel(ctx)
      let held = 4
      const four = Promise.all(Array.from({ length: 4 }, () => sleep(swallowed, db).finally(() => held--)))
      await eventually(async () => (await active()) === 4)
      swallowed.cancel()
      await eventually(async () => proxy.seen.cancel === 4)
      using request = withCancel(ctx)
      const ending = db.run(request, (q) => q.execute(sql`select pg_sleep(1), 'done' as result`))
      await eventually(async () => (await active()) === 5)

      request.cancel()

      await expect(ending).resolves.toMatchObject({ rows: [{ result: 'done' }] })
      // The four are given up together, some time later, since nothing waited for them.
      await new Promise((resolve) => setTimeout(resolve, 500))
      expect(held).toBe(4)
      expect(proxy.seen.cancel).toBe(4)
      await four
    },
  )

  test(
    'if a request can never be sent, the reason is logged once and the connection of the statement is closed',
    { concurrent: true },
    async (t) => {
      const log = recordedLog()
      const { ctx, db, proxy, active } = await openTestDatabase(t, 1, { pooler: true, log })
      await proxy.refuse()
      using request = withCancel(ctx)
      const sleeping = sleep(request, db)
      await eventually(async () => (await active()) === 1)

      request.cancel()

      expect(await sleeping).toBe(cause(request))
      expectWarnings(log, [expect.stringContaining('ECONNREFUSED') as string])
      expect(db.stats().total).toBe(0)
    },
  )

  test('a request that could not be sent is sent later, and the connection of the statement stays', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, pooler)
    await proxy.refuse()
    using request = withCancel(ctx)
    const sleeping = sleep(request, db)
    await eventually(async () => (await active()) === 1)

    request.cancel()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await proxy.open()

    expect(await sleeping).toBe(cause(request))
    await db.run(ctx, (q) => q.execute(sql`select 1`))
    expect(proxy.seen).toEqual({ session: 1, cancel: 1, tls: 0 })
  })

  test('if the result arrives first, the connection is not reused until the cancel has arrived too', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, pooler)
    const held = whenToldTo()
    proxy.toServer = (link) => (link.kind === 'cancel' ? held.promise : undefined)
    using request = withCancel(ctx)
    let settled = false
    const first = db
      .run(request, (q) => q.execute(sql`select pg_sleep(0.3), 'done' as result`))
      .finally(() => (settled = true))
    await eventually(async () => (await active()) === 1)
    const next = db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))
    request.cancel()
    await eventually(async () => (await active()) === 0)
    // Waits for the result, which Postgres has sent by now.
    await new Promise((resolve) => setTimeout(resolve, 50))

    expect(settled).toBe(false)
    expect(db.stats()).toMatchObject({ idle: 0, waiting: 1 })
    held.goOn()

    // The statement ended before the cancel arrived, so this is its result.
    await expect(first).resolves.toMatchObject({ rows: [{ result: 'done' }] })
    await next
    expect(proxy.seen).toEqual({ session: 1, cancel: 1, tls: 0 })
  })

  test('a cancel that Postgres missed is sent again', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, pooler)
    proxy.toServer = (link) => (link.kind === 'cancel' && proxy.seen.cancel < 3 ? 'lose' : undefined)
    using request = withCancel(ctx)
    const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
    await eventually(async () => (await active()) === 1)

    request.cancel()

    await expect(sleeping).rejects.toBe(cause(request))
    // A busy Postgres may take so long to end the statement that the service sends one more cancel.
    expect(proxy.seen).toMatchObject({ session: 1, tls: 0 })
    expect(proxy.seen.cancel).toBeGreaterThanOrEqual(3)
  })

  test('a connection that dies while its cancel is under way is replaced', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, pooler)
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

  test('a statement whose cancel cannot be delivered blocks nobody: its connection is closed', async (t) => {
    const log = recordedLog()
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, { pooler: true, log })
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
    expectWarnings(log, [expect.stringContaining('the cancel was sent, and not answered: ') as string])
  })

  test('a storm of cancels opens four side connections at a time', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 12, pooler)
    let most = 0
    proxy.toServer = async (link) => {
      if (link.kind !== 'cancel') return undefined
      most = Math.max(most, [...proxy.links].filter(({ kind }) => kind === 'cancel').length)
      // Gives the others time to arrive, as they would without the limit.
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
})

test.for([
  ['over the control connection', false],
  ['with CancelRequests', true],
] as const)('through a Unix socket: %s', async ([, pooler], t) => {
  const { ctx, proxy, active } = await openTestDatabase(t, 1, { pooler })
  const folder = await mkdtemp(join(tmpdir(), 'socket-'))
  const { port } = new URL(proxy.url)
  const server = createServer((client) => {
    const upstream = connect(Number(port), '127.0.0.1')
    client.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => client.destroy()).pipe(client)
  }).listen(join(folder, '.s.PGSQL.5432'))
  await once(server, 'listening')
  t.onTestFinished(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  const url = new URL(proxy.url)
  url.port = '5432'
  url.searchParams.set('host', folder)
  const log = recordedLog()
  const db = await openDatabase(ctx, log, { url: url.href, poolMax: 1, applicationName: 'subject' })

  await cancelOne(ctx, db, active)
  await db.close(ctx)

  expect(proxy.seen.cancel > 0).toBe(pooler)
  expect(log.lines).toEqual([])
})

test.for([
  ['over the control connection', {}],
  ['with CancelRequests', { pooler: true }],
] as const)(
  'two thousand cancels on a small pool hit no other statement and leave nothing behind: %s',
  async ([, how], t) => {
    const { ctx, db, active } = await openTestDatabase(t, 4, how)
    let ended = false
    let cancelled = 0
    const impatient = async (): Promise<void> => {
      for (let i = 0; i < 500; i++) {
        // Not by a deadline: the pool refuses a call that it cannot serve before its deadline, and such a call is never
        // cancelled.
        using request = withCancel(ctx)
        setTimeout(() => request.cancel(), Math.random() * 3)
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
  },
)

/** Cancels one statement while it runs. */
async function cancelOne(ctx: Context, db: Database, active: () => Promise<number>): Promise<void> {
  using request = withCancel(ctx)
  const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
  await eventually(async () => (await active()) === 1)
  request.cancel()
  await expect(sleeping).rejects.toBe(cause(request))
}

/** Resolves with what the call rejects with. */
function sleep(ctx: Context, db: Database): Promise<unknown> {
  return db.run(ctx, (q) => q.execute(sql`select pg_sleep(30)`)).catch((error: unknown) => error)
}

/** A promise that resolves when `goOn` is called. */
function whenToldTo(): { readonly promise: Promise<undefined>; goOn(): void } {
  let goOn = (): void => undefined
  const promise = new Promise<undefined>((resolve) => {
    goOn = () => resolve(undefined)
  })
  return { promise, goOn: () => goOn() }
}

/** Whether the bytes are a cancel on the control connection, prepared or not. */
function asksForCancel(bytes: Buffer): boolean {
  return bytes.includes('\0cancel\0')
}

/** Replaces the first pid in a Bind message, whose first value is an array of them. */
function replaceNumber(bytes: Buffer, replace: (pid: string) => string): void {
  const bindAt = bytes.indexOf('\0cancel\0') - 5
  const valueAt = bindAt + 5 + '\0cancel\0'.length + 2 + 3 * 2 + 2
  const value = bytes.toString('latin1', valueAt + 4, valueAt + 4 + bytes.readInt32BE(valueAt))
  const replaced = value.replace(/\d+/, replace)
  expect(replaced).toHaveLength(value.length)
  bytes.write(replaced, valueAt + 4)
}

function expectWarnings(log: RecordedLog, reasons: readonly string[]): void {
  const warnings = log.lines.filter(({ level }) => level === 'warn')
  expect(warnings.map(({ fields }) => fields['reason'])).toEqual(reasons)
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
