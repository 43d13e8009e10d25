/**
 * Promise: The pool measures itself right: its measure recovers from an overload, and what was not served does not spoil it.
 * Go: none
 * Held by: src/platform/database/admission.ts, src/platform/database/pressure.ts, src/platform/database/turns.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { withCancel, withTimeout, withValue, type Context } from '../../../src/context/context.ts'
import { sleep } from '../../../src/context/sleep.ts'
import type { Database } from '../../../src/platform/database/database.ts'
import { requestKey } from '../../../src/platform/request.ts'
import { eventually } from '../../support/client.ts'
import { openTestDatabase } from '../../support/database.ts'

test('a pool of one that was overloaded serves a burst again', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  const overload: Promise<boolean>[] = []
  // Three times what it can do, for two and a half seconds.
  for (let i = 0; i < 150; i++) {
    overload.push(succeeds(select(ctx, db, 0.05)))
    await sleep(ctx, 1_000 / 60)
  }
  const served = (await Promise.all(overload)).filter(Boolean).length
  // It has refused, and yet had no pause: fifty could be served.
  expect(served).toBeLessThan(140)
  expect(served).toBeGreaterThan(35)

  // A second in which no call waits ends the overload.
  for (let i = 0; i < 12; i++) {
    await select(ctx, db, 0.05)
    await sleep(ctx, 60)
  }
  const burst = await Promise.all(Array.from({ length: 10 }, () => succeeds(select(ctx, db, 0.05))))

  expect(burst).toEqual(Array(10).fill(true))
})

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
  async function lineUp(principalOf: (i: number) => string): Promise<number> {
    using waiting = withCancel(ctx)
    const calls = [succeeds(select(waiting, db, 30))]
    await eventually(async () => (await active()) === 1)
    const startedAt = performance.now()
    for (let i = 0; i < 10_000; i++) {
      const request = { id: '', method: 'GET', path: '/', principal: principalOf(i) }
      calls.push(succeeds(select(withValue(waiting, requestKey, request), db, 0)))
    }
    const tookMs = performance.now() - startedAt
    waiting.cancel()
    await Promise.all(calls)
    return tookMs
  }

  const oneMs = await lineUp(() => 'one')
  const manyMs = await lineUp((i) => `caller ${i}`)

  // If each looked at all others, it would be eight times as long.
  expect(manyMs).toBeLessThan(4 * oneMs)
})

test('a pool whose calls still dial is busy, and its database answers', async (t) => {
  const { ctx, db, proxy } = await openTestDatabase(t, 1)
  // It is known how long a connection is held, and the next call must dial: a setting of a caller closes its connection.
  await select(ctx, db, 1)
  await db.run(ctx, (q) => q.execute(sql`set search_path to public`))
  let letThrough = (): void => undefined
  const dialled = new Promise<void>((resolve) => (letThrough = resolve))
  let first: unknown
  const before = proxy.seen.session
  proxy.toServer = async (link) => {
    first ??= link
    if (link === first) await dialled
    return undefined
  }
  const dialling = select(ctx, db, 0)
  const waiting = select(ctx, db, 0)
  await eventually(async () => first !== undefined)

  expect(await db.ping(ctx)).toBe('busy')

  expect(proxy.seen.session).toBe(before + 2)
  letThrough()
  await Promise.all([dialling, waiting])
})

async function select(ctx: Context, db: Database, seconds: number): Promise<void> {
  await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${seconds})`))
}

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}
