import { describe, expect, test } from 'vitest'
import {
  afterFunc,
  background,
  Canceled,
  cause,
  contextKey,
  DeadlineExceeded,
  withCancel,
  withoutCancel,
  withSignal,
  withTimeout,
  withValue,
  type Context,
} from '../../../src/context/context.ts'
import { ended } from '../../../src/context/ended.ts'

const root = background()
const key = contextKey<string>('layer')

/** Resolves when all queued microtasks have run, including those that they queue. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** How often a callback has run. */
function counter(): { fn: () => void; readonly runs: number } {
  let runs = 0
  return {
    fn: () => {
      runs++
    },
    get runs() {
      return runs
    },
  }
}

describe('a callback', () => {
  test('runs after cancel, once (go: TestAfterFuncCalledAfterCancel)', async () => {
    const ctx = withCancel(root)
    const callback = counter()
    afterFunc(ctx, callback.fn)
    await settled()
    expect(callback.runs).toBe(0)
    ctx.cancel()
    ctx.cancel()
    await settled()

    expect(callback.runs).toBe(1)
  })

  test('runs after a timeout (go: TestAfterFuncCalledAfterTimeout)', async () => {
    const ctx = withTimeout(root, 5)
    const err = await new Promise((resolve) => afterFunc(ctx, () => resolve(ctx.err)))

    expect(err).toBe(ctx.err)
    expect(err).toBeDefined()
  })

  test('runs soon when the context has ended already (go: TestAfterFuncCalledImmediately)', async () => {
    const ctx = withCancel(root)
    ctx.cancel()
    const callback = counter()
    const stop = afterFunc(ctx, callback.fn)
    expect(callback.runs).toBe(0)
    await settled()

    expect([callback.runs, stop()]).toEqual([1, false])
  })

  test("runs at an ancestor's end, through values (go: TestAfterFuncCalledAfterCancel)", async () => {
    const parent = withCancel(root)
    const callback = counter()
    afterFunc(withValue(withCancel(withValue(parent, key, 'a')), key, 'b'), callback.fn)
    parent.cancel()
    await settled()

    expect(callback.runs).toBe(1)
  })

  test("runs at a foreign signal's abort (go: TestCustomContextPropagation)", async () => {
    const foreign = new AbortController()
    const callback = counter()
    afterFunc(withSignal(root, foreign.signal), callback.fn)
    foreign.abort(new Error('gone'))
    await settled()

    expect(callback.runs).toBe(1)
  })

  test('runs after cancel has returned, and after the abort listeners (go: TestAfterFuncCalledAsynchronously)', async () => {
    const ctx = withCancel(root)
    const order: string[] = []
    afterFunc(ctx, () => order.push('callback'))
    ctx.signal.addEventListener('abort', () => order.push('listener'))
    ctx.cancel()
    order.push('cancel returned')
    await settled()

    expect(order).toEqual(['listener', 'cancel returned', 'callback'])
  })

  test('sees err and cause (go: TestCauseRace)', async () => {
    const ctx = withCancel(root)
    const why = new Error('why')
    const seen = new Promise((resolve) => afterFunc(ctx, () => resolve([ctx.err, cause(ctx)])))
    ctx.cancel(why)

    expect(await seen).toEqual([Canceled, why])
  })

  test('runs once for each registration of the same function (go doc: "Multiple calls to AfterFunc on a context operate independently; one does not replace another.")', async () => {
    const ctx = withCancel(root)
    const callback = counter()
    const stopFirst = afterFunc(ctx, callback.fn)
    afterFunc(ctx, callback.fn)
    afterFunc(ctx, callback.fn)
    expect(stopFirst()).toBe(true)
    ctx.cancel()
    await settled()

    expect(callback.runs).toBe(2)
  })

  test('starts in the order of registration, parents before children (beyond Go)', async () => {
    const parent = withCancel(root)
    const child = withCancel(parent)
    const order: string[] = []
    afterFunc(child, () => order.push('child'))
    afterFunc(parent, () => order.push('first'))
    afterFunc(parent, () => order.push('second'))
    parent.cancel()
    await settled()

    expect(order).toEqual(['first', 'second', 'child'])
  })
})

test('the callback gets the cause, registered before or after the end (go doc: Cause)', async () => {
  const ctx = withCancel(root)
  const told: Error[] = []
  afterFunc(withTimeout(ctx, 60_000), (cause) => told.push(cause))
  afterFunc(withValue(ctx, key, 'x'), (cause) => told.push(cause))
  const why = new Error('why')
  ctx.cancel(why)
  afterFunc(ctx, (cause) => told.push(cause))
  await settled()
  const late = withTimeout(root, 0)
  afterFunc(late, (cause) => told.push(cause))
  await settled()

  expect(told).toEqual([why, why, why, DeadlineExceeded])
})

describe('stop', () => {
  test('prevents the callback, and returns true once (go: TestAfterFuncNotCalledAfterStop)', async () => {
    const ctx = withCancel(root)
    const callback = counter()
    const stop = afterFunc(ctx, callback.fn)
    expect([stop(), stop()]).toEqual([true, false])
    ctx.cancel()
    await settled()

    expect(callback.runs).toBe(0)
    expect(stop()).toBe(false)
  })

  test('returns false once the callback is scheduled, even before it runs (go doc: "If stop returns false, either the context is done and f has been started")', async () => {
    const ctx = withCancel(root)
    const callback = counter()
    const stop = afterFunc(ctx, callback.fn)
    ctx.cancel()
    expect([stop(), callback.runs]).toEqual([false, 0])
    await settled()

    expect([stop(), callback.runs]).toEqual([false, 1])
  })

  test.each<[string, Context]>([
    ['the root', root],
    ['a value of the root', withValue(root, key, 'x')],
    ['withoutCancel', withoutCancel(root)],
  ])('of %s, which never ends, is true once (go doc: AfterFunc)', async (_, ctx) => {
    const callback = counter()
    const stop = afterFunc(ctx, callback.fn)
    await settled()

    expect([stop(), stop(), callback.runs]).toEqual([true, false, 0])
  })

  test('tells whether the guarded work finished before the end (go: ExampleAfterFunc_connection)', async () => {
    const ctx = withCancel(root)
    let interrupted = false
    const undone = withCancel(root)
    const stop = afterFunc(ctx, () => {
      interrupted = true
      undone.cancel()
    })
    ctx.cancel()
    if (!stop()) await ended(undone)

    expect(interrupted).toBe(true)
  })
})

test('a callback that is stopped afterwards merges two contexts (go: ExampleAfterFunc_merge)', () => {
  const [first, second] = [withCancel(root), withCancel(root)]
  const merged = withCancel(first)
  const stop = afterFunc(second, () => merged.cancel(cause(second)))
  first.cancel(new Error('first'))

  expect([cause(merged)?.message, stop(), second.err]).toEqual(['first', true, undefined])
  second.cancel()
})
