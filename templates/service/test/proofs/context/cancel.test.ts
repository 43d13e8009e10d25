import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  background,
  Canceled,
  cause,
  liveContexts,
  withCancel,
  withDeadline,
  withoutCancel,
  withSignal,
  withTimeout,
  withValue,
  afterFunc,
  contextKey,
  type CancelContext,
  type Context,
} from '../../../src/context/context.ts'

const root = background()
const key = contextKey<string>('layer')

/** The signals of contexts, because foreign code sees only these. */
function aborted(...contexts: Context[]): boolean[] {
  return contexts.map((ctx) => ctx.signal.aborted)
}

describe('a context that can be cancelled', () => {
  test('is open before its cancel: no err, no cause, no aborted signal (go: TestWithCancel)', () => {
    const ctx = withCancel(root)

    expect([ctx.err, cause(ctx), ctx.signal.aborted]).toEqual([undefined, undefined, false])
    ctx.cancel()
  })

  test('is done when cancel returns (go: TestWithCancel)', () => {
    const ctx = withCancel(root)
    const { signal } = ctx
    ctx.cancel()

    expect(ctx.err).toBe(Canceled)
    expect(signal.aborted).toBe(true)
  })

  test('has its err as its cause and as the reason of its signal (go doc: "Calling cancel with nil sets the cause to Canceled.")', () => {
    const ctx = withCancel(root)
    ctx.cancel()

    expect(cause(ctx)).toBe(Canceled)
    expect(ctx.signal.reason).toBe(Canceled)
  })

  test('ignores a second cancel (go doc: "After the first call, subsequent calls to a CancelFunc do nothing.")', () => {
    const ctx = withCancel(root)
    let announced = 0
    ctx.signal.addEventListener('abort', () => announced++)
    ctx.cancel()
    ctx.cancel()

    expect(announced).toBe(1)
  })

  test('keeps the cause of its first cancel (go doc: "If the context has already been canceled, CancelCauseFunc does not set the cause.")', () => {
    const ctx = withCancel(root)
    const first = new Error('first')
    ctx.cancel(first)
    ctx.cancel(new Error('second'))

    expect(cause(ctx)).toBe(first)
    expect(ctx.err).toBe(Canceled)
  })

  test('has one signal, read before or after its end (go doc: "Successive calls to Done return the same value.")', () => {
    const ctx = withCancel(root)
    const { signal } = ctx
    ctx.cancel()

    expect(ctx.signal).toBe(signal)
  })

  test('has an aborted signal if the signal is first read after the end (beyond Go)', () => {
    const ctx = withCancel(root)
    const why = new Error('why')
    ctx.cancel(why)

    expect(ctx.signal.aborted).toBe(true)
    expect(ctx.signal.reason).toBe(why)
  })

  test('bound by using, ends with its block (go doc: "code should call cancel as soon as the operations running in this Context complete")', () => {
    let seen: CancelContext
    {
      using ctx = withCancel(root)
      seen = ctx
      expect(ctx.err).toBeUndefined()
    }

    expect(seen.err).toBe(Canceled)
  })

  test('keeps the cause it was cancelled with inside a using block (beyond Go)', () => {
    const why = new Error('why')
    let seen: CancelContext
    {
      using ctx = withCancel(root)
      seen = ctx
      ctx.cancel(why)
    }

    expect(cause(seen)).toBe(why)
  })

  test('ends when its using block throws (beyond Go)', () => {
    let seen: CancelContext | undefined
    const work = (): void => {
      using ctx = withCancel(root)
      seen = ctx
      throw new Error('work failed')
    }

    expect(work).toThrow('work failed')
    expect(seen?.err).toBe(Canceled)
  })

  test('takes only an Error or nothing as its cause, by its type (beyond Go)', () => {
    expectTypeOf<CancelContext['cancel']>().parameters.toEqualTypeOf<[cause?: Error | undefined]>()
  })
})

describe("a parent's end", () => {
  test('reaches children and grandchildren before cancel returns (go: TestWithCancel)', () => {
    const parent = withCancel(root)
    const child = withCancel(parent)
    const grandchild = withTimeout(child, 60_000)
    const signals = [parent.signal, child.signal, grandchild.signal]
    parent.cancel()

    expect(signals.map((signal) => signal.aborted)).toEqual([true, true, true])
    expect([parent.err, child.err, grandchild.err]).toEqual([Canceled, Canceled, Canceled])
  })

  test('reaches a grandchild through values (go: TestWithCancel)', () => {
    const parent = withCancel(root)
    const child = withCancel(withValue(withValue(parent, key, 'a'), key, 'b'))
    parent.cancel()

    expect(child.err).toBe(Canceled)
  })

  test('reaches the values derived from it, before and after (go: XTestParentFinishesChild)', () => {
    const parent = withCancel(root)
    const before = withValue(parent, key, 'before')
    const why = new Error('why')
    parent.cancel(why)
    const after = withValue(parent, key, 'after')

    expect([before.err, after.err]).toEqual([Canceled, Canceled])
    expect([cause(before), cause(after)]).toEqual([why, why])
    expect(aborted(before, after)).toEqual([true, true])
  })

  test('releases every child: cancel, value, timer and callback (go: XTestParentFinishesChild)', () => {
    const parent = withCancel(root)
    const child = withCancel(parent)
    withCancel(withValue(parent, key, 'child'))
    withTimeout(parent, 60_000)
    const stop = afterFunc(parent, () => undefined)
    expect(liveContexts(parent).children).toHaveLength(3)
    parent.cancel()

    expect(liveContexts(parent).children).toEqual([])
    expect(liveContexts(child).children).toEqual([])
    expect(stop()).toBe(false)
  })

  test('reaches parents before their children (go doc: "When a Context is canceled, all Contexts derived from it are also canceled.")', () => {
    const told: string[] = []
    const parent = withCancel(root)
    const first = withCancel(parent)
    const second = withCancel(parent)
    const below = withCancel(first)
    const contexts = { below, second, first, parent }
    for (const [name, ctx] of Object.entries(contexts)) {
      ctx.signal.addEventListener('abort', () => told.push(name))
    }
    parent.cancel()

    expect(told).toEqual(['parent', 'first', 'second', 'below'])
  })

  test('reaches a listener only when every descendant has ended (beyond Go)', () => {
    const parent = withCancel(root)
    const child = withCancel(parent)
    const grandchild = withCancel(child)
    const seen: unknown[] = []
    parent.signal.addEventListener('abort', () => {
      seen.push(child.err, grandchild.err, cause(grandchild), withCancel(grandchild).err)
    })
    const why = new Error('why')
    parent.cancel(why)

    expect(seen).toEqual([Canceled, Canceled, why, Canceled])
  })

  test('ends a child derived later at once (go: TestWithCancelCanceledParent)', () => {
    const parent = withCancel(root)
    const why = new Error('parent')
    parent.cancel(why)
    const late = [withCancel(parent), withTimeout(parent, 60_000), withDeadline(parent, Date.now() + 60_000)]

    expect(late.map((ctx) => ctx.err)).toEqual([Canceled, Canceled, Canceled])
    expect(late.map(cause)).toEqual([why, why, why])
    expect(aborted(...late)).toEqual([true, true, true])
  })

  test('ends a child derived while listeners run (go: TestWithCancelSimultaneouslyCanceledParent)', () => {
    const parent = withCancel(root)
    const why = new Error('parent')
    const made: Context[] = []
    parent.signal.addEventListener('abort', () => made.push(withCancel(parent)))
    parent.cancel(why)

    expect(made.map(cause)).toEqual([why])
    expect(liveContexts(parent).children).toEqual([])
  })
})

describe("a child's end", () => {
  test('does not end its parent or its siblings (go: XTestChildFinishesFirst)', () => {
    const parent = withCancel(root)
    const child = withCancel(parent)
    const sibling = withCancel(parent)
    child.cancel(new Error("the child's own"))

    expect([parent.err, sibling.err, cause(parent), cause(sibling)]).toEqual(Array(4).fill(undefined))
    expect(aborted(parent, sibling)).toEqual([false, false])
    parent.cancel()
  })

  test('removes it from its parent (go: XTestCancelRemoves)', () => {
    const parent = withCancel(root)
    const child = withCancel(parent)
    const timed = withTimeout(parent, 60_000)
    const foreign = withSignal(parent, new AbortController().signal)
    expect(liveContexts(parent).children).toHaveLength(3)
    child.cancel()
    expect(liveContexts(parent).children).toHaveLength(2)
    timed.cancel()
    foreign.cancel()

    expect(liveContexts(parent).children).toEqual([])
    parent.cancel()
  })
})

describe('cancel from inside', () => {
  test('a listener of the parent can cancel the child (go: TestInterlockedCancels)', () => {
    const parent = withCancel(root)
    const child = withCancel(parent)
    const told: string[] = []
    parent.signal.addEventListener('abort', () => {
      told.push('parent')
      child.cancel(new Error('from the listener'))
    })
    child.signal.addEventListener('abort', () => {
      told.push('child')
      parent.cancel(new Error('from the other listener'))
    })
    parent.cancel()

    expect(told).toEqual(['parent', 'child'])
    expect([cause(parent), cause(child)]).toEqual([Canceled, Canceled])
  })

  test('a listener of the child that cancels the parent ends the siblings, and each listener runs once (beyond Go)', () => {
    const parent = withCancel(root)
    const [child, sibling] = [withCancel(parent), withCancel(parent)]
    const why = new Error('up')
    let told = 0
    sibling.signal.addEventListener('abort', () => told++)
    child.signal.addEventListener('abort', () => parent.cancel(why))
    child.cancel(new Error('down'))

    expect([cause(child)?.message, cause(parent), cause(sibling), told]).toEqual(['down', why, why, 1])
  })

  test('a callback that cancels its own context and derives from it finds both ended (beyond Go)', async () => {
    const ctx = withCancel(root)
    const seen = new Promise((resolve) => {
      afterFunc(ctx, () => {
        ctx.cancel(new Error('again'))
        resolve([cause(ctx), withCancel(ctx).err])
      })
    })
    ctx.cancel()

    expect(await seen).toEqual([Canceled, Canceled])
  })
})

test('cancel does not wait for the work to stop (go doc: "A CancelFunc does not wait for the work to stop.")', async () => {
  const ctx = withCancel(root)
  const order: string[] = []
  const stopped = new Promise<void>((resolve) => {
    ctx.signal.addEventListener('abort', () => {
      queueMicrotask(() => {
        order.push('work stopped')
        resolve()
      })
    })
  })
  ctx.cancel()
  order.push('cancel returned')
  await stopped

  expect(order).toEqual(['cancel returned', 'work stopped'])
})

test('a tree of a hundred contexts ends completely, cancelled in any order (go: TestSimultaneousCancels)', () => {
  const contexts: CancelContext[] = [withCancel(root)]
  for (const ctx of contexts) {
    if (contexts.length >= 100) break
    contexts.push(withCancel(ctx), withTimeout(ctx, 60_000), withCancel(withValue(ctx, key, 'x')))
  }
  const told = new Map<Context, number>()
  for (const ctx of contexts) {
    ctx.signal.addEventListener('abort', () => told.set(ctx, (told.get(ctx) ?? 0) + 1))
  }
  // A fixed stride that visits each context, neither down nor up the tree.
  for (let i = 0; i < contexts.length; i++) contexts[(i * 37) % contexts.length]?.cancel()

  expect(contexts.every((ctx) => ctx.err === Canceled)).toBe(true)
  expect([...told.values()]).toEqual(Array(contexts.length).fill(1))
  expect(liveContexts(root).children).toEqual([])
})

test.each([
  ['withCancel', (parent: Context) => withCancel(parent)],
  ['withTimeout', (parent: Context) => withTimeout(parent, 1)],
  ['withDeadline', (parent: Context) => withDeadline(parent, 1)],
  ['withValue', (parent: Context) => withValue(parent, key, 'x')],
  ['withoutCancel', (parent: Context) => withoutCancel(parent)],
  ['withSignal', (parent: Context) => withSignal(parent, new AbortController().signal)],
  ['afterFunc', (parent: Context) => afterFunc(parent, () => undefined)],
  ['cause', (parent: Context) => cause(parent)],
])('%s refuses a parent that is not a context (go: TestInvalidDerivedFail)', (_, derive) => {
  const { signal } = new AbortController()
  const impostor: Context = { signal, deadline: undefined, err: undefined, value: () => undefined }

  // A caller without types, whose values come from JSON.parse.
  expect(() => derive(JSON.parse('null') as Context)).toThrow(TypeError)
  expect(() => derive(impostor)).toThrow(/expected a Context that this module made.*withSignal/)
})
