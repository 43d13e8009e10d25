/**
 * Promise: The pool measures correctly how long calls take: calls that it did not serve do not distort the measure.
 * Go: none
 * Held by: src/platform/database/admission.ts, src/platform/database/pressure.ts, src/platform/database/turns.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { withCancel, withTimeout, type Context } from '../../../src/context/context.ts'
import { testContext } from '../../../src/context/test-context.ts'
import { sleep } from '../../../src/context/sleep.ts'
import { Admission } from '../../../src/platform/database/admission.ts'
import { eventually } from '../../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import { requestOf, select, succeeds } from '../support/overload.ts'

test('transactions that the pool has refused do not count as short ones', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  const transaction = (ctx: Context, seconds: number): Promise<unknown> =>
    db.transaction(ctx, (q) => q.execute(sql`select pg_sleep(${seconds})`))
  await transaction(ctx, 1)
  const read = select(ctx, db, 1)
  await eventually(async () => (await active()) === 1)
  for (let i = 0; i < 40; i++) {
    using hurried = withTimeout(ctx, 300)
    await expect(transaction(hurried, 0)).rejects.toThrow('the service is busy')
  }
  await read
  const held = transaction(ctx, 1)
  await eventually(async () => (await active()) === 1)
  using late = withTimeout(ctx, 900)

  await expect(transaction(late, 0)).rejects.toThrow('the service is busy')
  await held
})

test('ten thousand callers that wait do not slow each other down', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  /** How long it takes to put ten thousand calls in line. */
  async function lineUp(callerOf: (i: number) => string): Promise<number> {
    using waiting = withCancel(ctx)
    const calls = [succeeds(select(waiting, db, 30))]
    await eventually(async () => (await active()) === 1)
    const startedAt = performance.now()
    for (let i = 0; i < 10_000; i++) {
      calls.push(succeeds(select(requestOf(waiting, callerOf(i)), db, 0)))
    }
    const tookMs = performance.now() - startedAt
    waiting.cancel()
    await Promise.all(calls)
    return tookMs
  }

  const oneMs = await lineUp(() => 'one')
  const manyMs = await lineUp((i) => `caller ${i}`)

  // If each call scanned all others, it would take eight times as long.
  expect(manyMs).toBeLessThan(4 * oneMs)
})

test('a pool whose calls still connect is busy, not down', async (t) => {
  const { ctx, db, proxy } = await openTestDatabase(t, 1)
  // The pool has measured how long a connection is held, and the next call must connect: a setting of a caller closes its
  // connection.
  await select(ctx, db, 1)
  await db.run(ctx, (q) => q.execute(sql`set search_path to public`))
  let letThrough = (): void => undefined
  const connected = new Promise<void>((resolve) => (letThrough = resolve))
  let first: unknown
  const before = proxy.seen.session
  proxy.toServer = async (link) => {
    first ??= link
    if (link === first) await connected
    return undefined
  }
  const connecting = select(ctx, db, 0)
  const waiting = select(ctx, db, 0)
  await eventually(async () => first !== undefined)

  expect(await db.ping(ctx)).toBe('busy')

  expect(proxy.seen.session).toBe(before + 2)
  letThrough()
  await Promise.all([connecting, waiting])
})

const ways: readonly ['run' | 'transaction'][] = [['run'], ['transaction']]

test.for(ways)(
  'the time that a connection of db.%s takes to open does not count as held: a start is no overload',
  async ([way], t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1)
    const opened = new Set<unknown>(proxy.links)
    const { toServer } = proxy
    proxy.toServer = async (link, bytes) => {
      if (!opened.has(link)) await sleep(ctx, 1_500)
      opened.add(link)
      return toServer(link, bytes)
    }
    const execute = (ctx: Context, text: string): Promise<unknown> =>
      db[way](ctx, (q) => q.execute(sql.raw(text)))
    // A setting of a caller closes its connection, so each of the two calls opens a new one.
    for (let i = 0; i < 3; i++) await execute(ctx, 'set search_path to public')
    proxy.toServer = toServer
    const held = execute(ctx, 'select pg_sleep(0.2)')
    await eventually(async () => (await active()) === 1)
    using late = withTimeout(ctx, 800)

    await execute(late, 'select 1')
    await held
  },
)

test('a connection that has been held for long is expected to be held for as long again', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  for (let i = 0; i < 5; i++) await select(ctx, db, 0.02)
  const held = select(ctx, db, 3)
  await eventually(async () => (await active()) === 1)
  await sleep(ctx, 1_500)
  using late = withTimeout(ctx, 1_000)

  await expect(select(late, db, 0)).rejects.toThrow(/the service is busy: .* none was returned for \d s/)
  await held
})

test('calls whose clients have hung up do not make the pool look slower', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  for (let i = 0; i < 5; i++) await select(ctx, db, 0.02)
  for (let i = 0; i < 8; i++) {
    using leaving = withCancel(ctx)
    const left = succeeds(select(leaving, db, 30))
    await eventually(async () => (await active()) === 1)
    await sleep(ctx, 700)
    leaving.cancel()
    expect(await left).toBe(false)
  }
  using hurried = withTimeout(ctx, 600)

  // The second waits for the first, a few milliseconds.
  expect(await Promise.all([select(ctx, db, 0.02), select(hurried, db, 0.02)].map(succeeds))).toEqual([
    true,
    true,
  ])
})

test('if no transaction finishes before its deadline, later ones do not wait in vain', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  const transaction = (ctx: Context): Promise<unknown> =>
    db.transaction(ctx, (q) => q.execute(sql`select pg_sleep(30)`))
  using first = withTimeout(ctx, 1_000)
  expect(await succeeds(transaction(first))).toBe(false)
  using leaving = withCancel(ctx)
  const held = succeeds(transaction(leaving))
  await eventually(async () => (await active()) === 1)
  using late = withTimeout(ctx, 900)

  await expect(transaction(late)).rejects.toThrow('the service is busy')
  leaving.cancel()
  await held
})

test('a place that a call gets just as its context ends goes to the next call', async (t) => {
  const ctx = testContext(t)
  const pool = new Admission(1, { admitted: () => undefined, refused: () => undefined })
  using leaving = withCancel(ctx)
  const first = await pool.enter(ctx)
  const given = pool.enter(leaving)
  const next = pool.enter(ctx)

  leaving.cancel()
  first.release(ctx)

  await expect(given).rejects.toThrow('context canceled')
  const place = await next
  place.release(ctx)
  expect(pool.full()).toBe(false)
})
