import { expect, test } from 'vitest'
import {
  afterFunc,
  background,
  Canceled,
  cause,
  contextKey,
  DeadlineExceeded,
  withCancel,
  withDeadline,
  withoutCancel,
  withSignal,
  withTimeout,
  withValue,
} from './context.ts'
import { group } from './group.ts'
import { sleep } from './sleep.ts'
import { testContext } from './test-context.ts'
import { until } from './until.ts'

// The contract in one page. Mainstem's own repository has the rest: Go's tests of its package, leaks, random trees.

test('a parent ends all its descendants before cancel() returns, with its cause', (t) => {
  using parent = withCancel(testContext(t))
  using child = withTimeout(parent, 60_000)
  const grandchild = withValue(child, contextKey<string>('user'), 'ada')
  const reason = new Error('the client has left')

  parent.cancel(reason)

  for (const ctx of [parent, child, grandchild]) {
    expect(ctx.err).toBe(Canceled)
    expect(cause(ctx)).toBe(reason)
    expect(ctx.signal.aborted).toBe(true)
    expect(ctx.signal.reason).toBe(reason)
  }
})

test('a child ends alone, and the first cause wins', (t) => {
  const parent = testContext(t)
  const child = withCancel(parent)
  const first = new Error('first')

  child.cancel(first)
  child.cancel(new Error('second'))

  expect(cause(child)).toBe(first)
  expect(parent.err).toBeUndefined()
})

test('using ends a context with its block', (t) => {
  let escaped
  {
    using ctx = withCancel(testContext(t))
    escaped = ctx
  }
  expect(escaped.err).toBe(Canceled)
})

test("the deadline of a context is the earliest of its own and its ancestors'", (t) => {
  using early = withDeadline(testContext(t), Date.now() + 1_000)
  using late = withTimeout(early, 60_000)

  expect(late.deadline).toBe(early.deadline)
})

test('a deadline passes even in a loop that never yields', (t) => {
  using ctx = withTimeout(testContext(t), 5)

  while (ctx.err === undefined);

  expect(ctx.err).toBe(DeadlineExceeded)
})

test('withoutCancel keeps the values and drops the end and the deadline', (t) => {
  const user = contextKey<string>('user')
  using request = withTimeout(withValue(testContext(t), user, 'ada'), 60_000)
  const detached = withoutCancel(request)

  request.cancel()

  expect(detached.value(user)).toBe('ada')
  expect(detached.deadline).toBeUndefined()
  expect(detached.err).toBeUndefined()
})

test('withSignal ends with a foreign signal, and its reason is the cause', (t) => {
  const controller = new AbortController()
  using ctx = withSignal(testContext(t), controller.signal)
  const reason = new Error('aborted elsewhere')

  controller.abort(reason)

  expect(cause(ctx)).toBe(reason)
})

test('afterFunc runs after cancel() has returned, unless it was stopped', async (t) => {
  const ctx = withCancel(testContext(t))
  const calls: string[] = []
  afterFunc(ctx, () => calls.push('runs'))
  const stop = afterFunc(ctx, () => calls.push('stopped'))

  expect(stop()).toBe(true)
  ctx.cancel()
  expect(calls).toEqual([])
  await Promise.resolve()

  expect(calls).toEqual(['runs'])
})

test('the first failure of a group cancels the others, and is what wait() rejects with', async (t) => {
  using workers = group(testContext(t))
  const failure = new Error('the disk is full')
  let seen: Error | undefined
  workers.go(async () => {
    throw failure
  })
  workers.go(async (ctx) => {
    await sleep(ctx, 60_000).catch(() => undefined)
    seen = cause(ctx)
  })

  await expect(workers.wait()).rejects.toBe(failure)
  expect(seen).toBe(failure)
})

test('until waits for a promise until ctx ends', async (t) => {
  using ctx = withTimeout(testContext(t), 5)

  await expect(until(ctx, new Promise(() => undefined))).rejects.toBe(DeadlineExceeded)
  await expect(until(testContext(t), Promise.resolve('done'))).resolves.toBe('done')
})

test('a process has one background context: a second call throws', () => {
  background()

  expect(() => background()).toThrow(/was called before/)
})
