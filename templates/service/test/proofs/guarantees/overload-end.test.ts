/**
 * Promise: Under overload no connection is idle and each caller may have its share; the overload ends when calls no longer wait.
 * Go: none
 * Held by: src/platform/database/admission.ts, src/platform/database/pressure.ts
 */
import { expect, test } from 'vitest'
import { sleep } from '../../../src/context/sleep.ts'
import { openTestDatabase } from '../support/database.ts'
import { overload, requestOf, select, succeeds } from '../support/overload.ts'

test('an overload ends when each call has found a free connection for a second', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  await overload(ctx, db, 1)

  for (let i = 0; i < 12; i++) {
    await select(ctx, db, 0.05)
    await sleep(ctx, 60)
  }

  const burst = await Promise.all(Array.from({ length: 10 }, () => succeeds(select(ctx, db, 0.05))))
  expect(burst).toEqual(Array(10).fill(true))
})

test('an overload ends when no call has found more than one call ahead of it for a second', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  await overload(ctx, db, 1)

  // One works, and the next one waits for it.
  let last = select(ctx, db, 0.05)
  for (let i = 0; i < 30; i++) {
    const next = select(ctx, db, 0.05)
    await last
    last = next
  }

  const burst = await Promise.all(Array.from({ length: 10 }, () => succeeds(select(ctx, db, 0.05))))
  expect(burst).toEqual(Array(10).fill(true))
  await last
})

test('under overload one call may wait for a pool of one, and a second one is refused', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 1)
  await overload(ctx, db, 1)

  const calls = Array.from({ length: 3 }, () => succeeds(select(ctx, db, 0.05)))

  expect(await Promise.all(calls)).toEqual([true, true, false])
})

test('under overload a caller that has less than its share may wait longer than the others', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 2)
  await overload(ctx, db, 2)

  const call = (caller: string) => succeeds(select(requestOf(ctx, caller), db, 0.05))
  const greedy = [call('greedy'), call('greedy'), call('greedy')]
  // With the same load ahead of them: two connections in use, and one waiting call.
  const refused = call('greedy')
  const small = call('small')

  expect(await Promise.all([...greedy, refused, small])).toEqual([true, true, true, false, true])
})
