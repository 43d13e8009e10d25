import { expect, test } from 'vitest'
import { Canceled, DeadlineExceeded, withCancel, withTimeout } from '../../../src/context/context.ts'
import { ended } from '../../../src/context/ended.ts'
import { testContext } from '../../../src/context/test-context.ts'

test('resolves with the cause when ctx ends (go doc: Done, Cause)', async (t) => {
  const ctx = withCancel(testContext(t))
  const why = new Error('why')
  const end = ended(ctx)
  ctx.cancel(why)

  expect(await end).toBe(why)
})

test('resolves with the err if no cause was given (go doc: "Otherwise Cause(c) returns the same value as c.Err().")', async (t) => {
  const ctx = withCancel(testContext(t))
  ctx.cancel()

  expect(await ended(ctx)).toBe(Canceled)
  expect(await ended(withTimeout(testContext(t), 2))).toBe(DeadlineExceeded)
})

test('does not resolve before the end of ctx (go: TestBackground, Done blocks)', async (t) => {
  const ctx = withCancel(testContext(t))
  let over = false
  const end = ended(ctx).then(() => (over = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(over).toBe(false)
  ctx.cancel()
  await end

  expect(over).toBe(true)
})

test('resolves only when cancel has returned (go: TestAfterFuncCalledAsynchronously)', async (t) => {
  const ctx = withCancel(testContext(t))
  const order: string[] = []
  const end = ended(ctx).then(() => order.push('ended'))
  ctx.cancel()
  order.push('cancel returned')
  await end

  expect(order).toEqual(['cancel returned', 'ended'])
})

test('releases the context at the end of its block, and then never settles (beyond Go)', async (t) => {
  const ctx = withCancel(testContext(t))
  let told = false
  for (let round = 0; round < 20; round++) {
    using stopped = ended(ctx)
    stopped.then(() => (told = true)).catch(() => undefined)
    await Promise.race([stopped, Promise.resolve()])
  }
  ctx.cancel()
  await new Promise((resolve) => setImmediate(resolve))

  expect(told).toBe(false)
})
