import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  Canceled,
  DeadlineExceeded,
  liveContexts,
  withCancel,
  withTimeout,
} from '../../../src/context/context.ts'
import { sleep } from '../../../src/context/sleep.ts'
import { testContext } from '../../../src/context/test-context.ts'

/** Replaces the clock by one that the test sets. */
function holdClock(): void {
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] })
}

describe('sleep', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('resolves after its milliseconds, not before (go: ExampleWithTimeout)', async (t) => {
    const startedAt = performance.now()
    await sleep(testContext(t), 20)

    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(20)
  })

  test('rejects with the cause as soon as ctx ends (go: ExampleWithTimeout)', async (t) => {
    const ctx = withCancel(testContext(t))
    const why = new Error('why')
    const sleeping = sleep(ctx, 60_000)
    ctx.cancel(why)

    await expect(sleeping).rejects.toBe(why)
  })

  test('rejects when the deadline of ctx comes first (go: ExampleWithTimeout)', async (t) => {
    const late = new Error('late')

    await expect(sleep(withTimeout(testContext(t), 5, late), 60_000)).rejects.toBe(late)
  })

  test('rejects at once when ctx has ended before (beyond Go)', async (t) => {
    await expect(sleep(withTimeout(testContext(t), 0), 60_000)).rejects.toBe(DeadlineExceeded)
  })

  test('leaves no timer and no child behind (beyond Go)', async (t) => {
    holdClock()
    const parent = testContext(t)
    const ctx = withCancel(parent)
    const [cut, whole] = [sleep(ctx, 60_000), sleep(parent, 10)]
    expect(vi.getTimerCount()).toBe(2)
    ctx.cancel()
    await expect(cut).rejects.toBe(Canceled)
    await vi.advanceTimersByTimeAsync(10)
    await whole

    expect([vi.getTimerCount(), liveContexts(parent).children]).toEqual([0, []])
  })

  test('lets other work run, even with zero milliseconds (beyond Go)', async (t) => {
    const ctx = testContext(t)
    let others = 0
    setImmediate(() => others++)
    await sleep(ctx, 0)
    await sleep(ctx, -5)

    expect(others).toBe(1)
  })

  test('refuses a value that is not a number (beyond Go)', async (t) => {
    await expect(sleep(testContext(t), NaN)).rejects.toThrow(TypeError)
  })

  test('may be longer than the 31 bits of setTimeout (beyond Go)', async (t) => {
    const ctx = testContext(t)
    holdClock()
    let over = false
    const sleeping = sleep(ctx, 2 ** 33).then(() => (over = true))
    await vi.advanceTimersByTimeAsync(2 ** 33 - 1)
    expect(over).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await sleeping

    expect(over).toBe(true)
  })

  test('of Infinity lasts as long as ctx (beyond Go)', async (t) => {
    const ctx = withTimeout(testContext(t), 5)

    await expect(sleep(ctx, Infinity)).rejects.toBe(DeadlineExceeded)
  })
})
