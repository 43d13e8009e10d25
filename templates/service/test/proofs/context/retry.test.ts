import { expect, test } from 'vitest'
import { withCancel, withTimeout } from '../../../src/context/context.ts'
import { retry } from '../../../src/context/retry.ts'
import { testContext } from '../../../src/context/test-context.ts'

test('retry: resolves with the first success, and reports the failures before it (beyond Go)', async (t) => {
  const ctx = testContext(t)
  const told: unknown[] = []
  let attempts = 0
  const failures = [new Error('one'), new Error('two')]

  const result = await retry(ctx, { firstPauseMs: 1, onRetry: (failure) => told.push(failure) }, async () => {
    const failure = failures[attempts++]
    if (failure !== undefined) throw failure
    return 'done'
  })

  expect(result).toBe('done')
  expect(told).toEqual(failures)
})

test('retry: rejects with the last failure when no attempt is left (beyond Go)', async (t) => {
  const ctx = testContext(t)
  let attempts = 0

  const work = retry(ctx, { attempts: 3, firstPauseMs: 1 }, async () => {
    throw new Error(`failure ${++attempts}`)
  })

  await expect(work).rejects.toThrow('failure 3')
})

test('retry: it rejects with a failure that is not retryable (beyond Go)', async (t) => {
  const ctx = testContext(t)
  let attempts = 0

  const work = retry(ctx, { retryable: () => false }, async () => {
    attempts++
    throw new Error('wrong password')
  })

  await expect(work).rejects.toThrow('wrong password')
  expect(attempts).toBe(1)
})

test('retry: a failure may ask for a longer pause, and the caller may refuse to wait for it (beyond Go)', async (t) => {
  const ctx = testContext(t)
  const pauses: number[] = []
  const failures = [new Error('20'), new Error('5000')]
  let attempts = 0

  const work = retry(
    ctx,
    {
      firstPauseMs: 1,
      askedPauseMs: (failure) => Number((failure as Error).message),
      retryable: (_failure, pauseMs) => pauses.push(pauseMs) > 0 && pauseMs < 5_000,
    },
    async () => {
      throw failures[attempts++] ?? new Error('one attempt too many')
    },
  )

  await expect(work).rejects.toBe(failures[1])
  expect(pauses[0]).toBeGreaterThanOrEqual(20.5)
  expect(pauses[1]).toBeGreaterThanOrEqual(5_000)
})

test('retry: when ctx ends, the pause ends and it rejects with the cause (beyond Go)', async (t) => {
  using ctx = withCancel(testContext(t))
  const reason = new Error('no longer wanted')

  const work = retry(
    ctx,
    { firstPauseMs: 60_000, maxPauseMs: 60_000, onRetry: () => ctx.cancel(reason) },
    async () => {
      throw new Error('down')
    },
  )

  await expect(work).rejects.toBe(reason)
})

test('retry: it rejects with the cause of ctx, even if the last attempt failed because of it (beyond Go)', async (t) => {
  using ctx = withCancel(testContext(t))
  const reason = new Error('no longer wanted')

  const work = retry(ctx, { attempts: 1 }, async () => {
    ctx.cancel(reason)
    throw new Error('socket closed')
  })

  await expect(work).rejects.toBe(reason)
})

test('retry: passes its context to the work, and makes no attempt under an ended context (beyond Go)', async (t) => {
  using ctx = withTimeout(testContext(t), 0)
  let attempts = 0

  const work = retry(ctx, {}, async () => {
    attempts++
  })

  await expect(work).rejects.toBe(ctx.err)
  expect(attempts).toBe(0)
})

test('retry: pauses double up to the longest, and each is a random half to whole of that (beyond Go)', async (t) => {
  const ctx = testContext(t)
  const pauses: number[] = []

  await retry(
    ctx,
    { attempts: 5, firstPauseMs: 2, maxPauseMs: 8, onRetry: (_failure, pauseMs) => pauses.push(pauseMs) },
    async () => {
      throw new Error('down')
    },
  ).catch(() => undefined)

  for (const [i, longestMs] of [2, 4, 8, 8].entries()) {
    expect(pauses[i]).toBeGreaterThanOrEqual(longestMs / 2)
    expect(pauses[i]).toBeLessThanOrEqual(longestMs)
  }
  expect(pauses).toHaveLength(4)
})
