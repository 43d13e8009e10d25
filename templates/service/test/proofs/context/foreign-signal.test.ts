import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  afterFunc,
  background,
  Canceled,
  cause,
  DeadlineExceeded,
  liveContexts,
  withCancel,
  withSignal,
  withTimeout,
} from '../../../src/context/context.ts'
import { ended } from '../../../src/context/ended.ts'

const root = background()

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length
}

describe('a context with a foreign signal', () => {
  test('ends before abort returns, with its reason as the cause (go: TestCustomContextPropagation, TestCustomContextAfterFuncCancel)', () => {
    const foreign = new AbortController()
    const ctx = withSignal(root, foreign.signal)
    const child = withCancel(ctx)
    const why = new Error('gone')
    foreign.abort(why)

    expect([ctx.err, child.err, cause(ctx), cause(child)]).toEqual([Canceled, Canceled, why, why])
    expect([ctx.signal.reason, child.signal.reason]).toEqual([why, why])
  })

  test('ends a timeout below it, and starts the callbacks (go: TestCustomContextAfterFuncTimeout, TestCustomContextAfterFuncAfterFunc)', async () => {
    const foreign = new AbortController()
    const ctx = withSignal(root, foreign.signal)
    using timed = withTimeout(ctx, 3_600_000)
    const called = new Promise((resolve) => afterFunc(timed, () => resolve(timed.err)))
    foreign.abort()

    expect(await called).toBe(Canceled)
  })

  test('ends at once when the signal has aborted already (beyond Go)', () => {
    const why = new Error('gone')
    const ctx = withSignal(root, AbortSignal.abort(why))

    expect([ctx.err, cause(ctx), ctx.signal.aborted]).toEqual([Canceled, why, true])
    expect(liveContexts(root).children).toEqual([])
  })

  test("has its parent's cause if both have ended (go: TestWithCancelCanceledParent)", () => {
    const parent = withCancel(root)
    const why = new Error('parent')
    parent.cancel(why)

    expect(cause(withSignal(parent, AbortSignal.abort(new Error('foreign'))))).toBe(why)
  })

  test("ends with its parent, by its own cancel, and by its parent's deadline (go: TestCustomContextPropagation)", async () => {
    const { signal } = new AbortController()
    const parent = withCancel(root)
    const first = withSignal(parent, signal)
    const second = withSignal(root, signal)
    const third = withSignal(withTimeout(root, 5), signal)
    parent.cancel()
    second.cancel()
    await ended(third)

    expect([first.err, second.err, third.err]).toEqual([Canceled, Canceled, DeadlineExceeded])
    expect([signal.aborted, listeners(signal)]).toEqual([false, 0])
  })

  test('does not end its parent (go: TestCustomContextCause)', () => {
    const foreign = new AbortController()
    using parent = withCancel(root)
    withSignal(parent, foreign.signal)
    foreign.abort()

    expect([parent.err, liveContexts(parent).children]).toEqual([undefined, []])
  })

  test('is Canceled by AbortSignal.timeout, because no deadline of ctx has passed (beyond Go)', async () => {
    const ctx = withSignal(root, AbortSignal.timeout(5))
    // AbortSignal.timeout does not keep a process alive, so this timer does until the signal has fired.
    using awake = withTimeout(root, 60_000)
    const why = await ended(ctx)

    expect([ctx.err, why.name, ctx.deadline, awake.err]).toEqual([
      Canceled,
      'TimeoutError',
      undefined,
      undefined,
    ])
  })

  test('can have the signal of another context, whose cause it takes (beyond Go)', () => {
    const other = withCancel(root)
    const ctx = withSignal(root, other.signal)
    const why = new Error('why')
    other.cancel(why)

    expect(cause(ctx)).toBe(why)
  })
})

describe('a reason', () => {
  test.each([
    ['a string', 'client went away', 'client went away'],
    ['a number', 7, '7'],
    ['null', null, 'null'],
    ['a symbol', Symbol('x'), 'Symbol(x)'],
    ['an object', { code: 1 }, 'the signal was aborted'],
    ['an object without a prototype', Object.create(null) as unknown, 'the signal was aborted'],
  ])('that is %s becomes the cause of an Error (beyond Go)', (_, reason, message) => {
    const foreign = new AbortController()
    const contexts = [withSignal(root, foreign.signal), withSignal(root, AbortSignal.abort(reason))]
    foreign.abort(reason)

    for (const ctx of contexts) {
      const why = cause(ctx)
      expect(why).toBeInstanceOf(Error)
      expect([why?.message, why?.cause]).toEqual([message, reason])
    }
  })

  test("that was not given is the platform's own AbortError (beyond Go)", () => {
    const foreign = new AbortController()
    const ctx = withSignal(root, foreign.signal)
    foreign.abort()

    expect([cause(ctx) === foreign.signal.reason, cause(ctx)?.name]).toEqual([true, 'AbortError'])
  })

  test('is the same Error for all contexts of the signal (beyond Go)', () => {
    const foreign = new AbortController()
    const contexts = [withSignal(root, foreign.signal), withSignal(root, foreign.signal)]
    foreign.abort('gone')
    const [first, second] = contexts.map(cause)

    expect(first).toBeInstanceOf(Error)
    expect(first).toBe(second)
  })
})

describe('the listener on a foreign signal', () => {
  test('is shared by all contexts, and removed with the last of them (go: TestCustomContextAfterFuncUnregisterCancel)', () => {
    const { signal } = new AbortController()
    const warnings: Error[] = []
    process.on('warning', (warning) => warnings.push(warning))
    const contexts = Array.from({ length: 50 }, () => withSignal(root, signal))
    expect(listeners(signal)).toBe(1)
    const last = contexts.pop()
    for (const ctx of contexts) ctx.cancel()
    expect(listeners(signal)).toBe(1)
    last?.cancel()

    expect([listeners(signal), warnings]).toEqual([0, []])
  })

  test('is added again for a context derived after that (beyond Go)', () => {
    const foreign = new AbortController()
    withSignal(root, foreign.signal).cancel()
    const ctx = withSignal(root, foreign.signal)
    expect(listeners(foreign.signal)).toBe(1)
    foreign.abort()

    expect([ctx.err, listeners(foreign.signal)]).toEqual([Canceled, 0])
  })

  test('is not added if the context or the signal has ended (beyond Go)', () => {
    const { signal } = new AbortController()
    const aborted = AbortSignal.abort()
    const parent = withCancel(root)
    parent.cancel()
    withSignal(parent, signal)
    withSignal(root, aborted)

    expect([listeners(signal), listeners(aborted)]).toEqual([0, 0])
  })

  test('ends a context that another listener of the same signal made (beyond Go)', () => {
    const foreign = new AbortController()
    const made: unknown[] = []
    const first = withSignal(root, foreign.signal)
    first.signal.addEventListener('abort', () => made.push(withSignal(root, foreign.signal).err))
    foreign.abort()

    expect([made, listeners(foreign.signal)]).toEqual([[Canceled], 0])
  })

  test('ends each context once, even if one of them ends another (beyond Go)', () => {
    const foreign = new AbortController()
    const [first, second] = [withSignal(root, foreign.signal), withSignal(root, foreign.signal)]
    const why = new Error('from the listener')
    let told = 0
    first.signal.addEventListener('abort', () => second.cancel(why))
    second.signal.addEventListener('abort', () => told++)
    foreign.abort()

    expect([cause(second), told]).toEqual([why, 1])
  })
})

test('a listener added to a signal that has aborted never runs, so withSignal reads aborted first (beyond Go)', async () => {
  const ctx = withCancel(root)
  ctx.cancel()
  let fired = false
  ctx.signal.addEventListener('abort', () => (fired = true))
  await ended(ctx)

  expect([ctx.signal.aborted, fired]).toEqual([true, false])
  expect(() => ctx.signal.throwIfAborted()).toThrow(Canceled)
})

test("the platform's fetch, timers and streams accept a context's signal (beyond Go)", async () => {
  const ctx = withCancel(root)
  const why = new Error('why')
  const timer = import('node:timers/promises').then(({ setTimeout }) =>
    setTimeout(60_000, undefined, { signal: ctx.signal }),
  )
  ctx.cancel(why)

  await expect(timer).rejects.toMatchObject({ code: 'ABORT_ERR', cause: why })
  await expect(fetch('http://127.0.0.1:9', { signal: ctx.signal })).rejects.toBe(why)
})
