import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import {
  Canceled,
  DeadlineExceeded,
  liveContexts,
  withCancel,
  withTimeout,
} from '../../../src/context/context.ts'
import { testContext } from '../../../src/context/test-context.ts'
import { until } from '../../../src/context/until.ts'

const never = new Promise<never>(() => undefined)

test('resolves with the value of the promise (go doc: Done, the select of Stream)', async (t) => {
  expect(await until(testContext(t), Promise.resolve('value'))).toBe('value')
})

test('rejects with the failure of the promise (go doc: Done, the select of Stream)', async (t) => {
  const failure = new Error('failure')

  await expect(until(testContext(t), Promise.reject(failure))).rejects.toBe(failure)
})

test('rejects with an Error if the promise rejects with something else (beyond Go)', async (t) => {
  // A value with which a library without types may reject.
  const odd = Promise.reject(JSON.parse('"a string"') as Error)

  await expect(until(testContext(t), odd)).rejects.toMatchObject({ message: 'a string', cause: 'a string' })
})

test('rejects with the cause when ctx ends first (go doc: Cause)', async (t) => {
  const ctx = withCancel(testContext(t))
  const why = new Error('why')
  const waiting = until(ctx, never)
  ctx.cancel(why)

  await expect(waiting).rejects.toBe(why)
})

test('rejects when the deadline of ctx passes first (go: ExampleWithDeadline)', async (t) => {
  await expect(until(withTimeout(testContext(t), 5), never)).rejects.toBe(DeadlineExceeded)
})

test('rejects if ctx has already ended, even if the promise has resolved (beyond Go)', async (t) => {
  const ctx = withCancel(testContext(t))
  ctx.cancel()

  await expect(until(ctx, Promise.resolve('value'))).rejects.toBe(Canceled)
})

test('handles and drops a failure that comes after ctx has ended (beyond Go)', async (t) => {
  const unobserved: unknown[] = []
  const onUnobserved = (reason: unknown): unknown => unobserved.push(reason)
  process.on('unhandledRejection', onUnobserved)
  t.onTestFinished(() => void process.off('unhandledRejection', onUnobserved))
  const ctx = withCancel(testContext(t))
  let fail: (failure: Error) => void = () => undefined
  const waiting = until(ctx, new Promise((_, reject) => (fail = reject)))
  ctx.cancel()
  await expect(waiting).rejects.toBe(Canceled)
  fail(new Error('too late'))
  await new Promise((resolve) => setImmediate(resolve))

  expect(unobserved).toEqual([])
})

test('accepts a thenable that is not a promise, such as a query builder (beyond Go)', async (t) => {
  const query: PromiseLike<number> = { then: (resolve, reject) => Promise.resolve(7).then(resolve, reject) }

  expect(await until(testContext(t), query)).toBe(7)
})

test('reads no signal and leaves nothing in ctx (beyond Go)', async (t) => {
  const ctx = testContext(t)
  for (let i = 0; i < 20; i++) await until(ctx, Promise.resolve(i))

  expect(liveContexts(ctx).children).toEqual([])
  expect(getEventListeners(ctx.signal, 'abort')).toEqual([])
})

test('rejects if the promise rejects with an object without a prototype (beyond Go)', async (t) => {
  const bare: unknown = Object.create(null)

  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what may come of other code
  await expect(until(testContext(t), Promise.reject(bare))).rejects.toMatchObject({ cause: bare })
})
