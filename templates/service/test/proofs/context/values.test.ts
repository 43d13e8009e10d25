import { describe, expect, test } from 'vitest'
import {
  background,
  Canceled,
  cause,
  contextKey,
  DeadlineExceeded,
  liveContexts,
  withCancel,
  withDeadline,
  withoutCancel,
  withSignal,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
} from '../../../src/context/context.ts'
import { ended } from '../../../src/context/ended.ts'

const root = background()
const user = contextKey<string>('user')
const trace = contextKey<number>('trace')

describe('a value', () => {
  test('is found in its context and in every kind of context below it (go: TestValues)', () => {
    const ctx = withValue(root, user, 'ada')
    using cancel = withCancel(ctx)
    using timeout = withTimeout(cancel, 60_000)
    using foreign = withSignal(timeout, new AbortController().signal)

    expect([ctx, cancel, timeout, foreign].map((each) => each.value(user))).toEqual(Array(4).fill('ada'))
  })

  test('is not found above, nor under another key (go: TestValues)', () => {
    const ctx = withValue(root, user, 'ada')

    expect([root.value(user), ctx.value(trace)]).toEqual([undefined, undefined])
  })

  test('hides a value of the same key further up, and no other value (go: TestValues)', () => {
    const outer = withValue(withValue(root, user, 'ada'), trace, 1)
    const inner = withValue(outer, user, 'grace')

    expect([inner.value(user), inner.value(trace), outer.value(user)]).toEqual(['grace', 1, 'ada'])
  })

  test('of undefined hides a value further up (go: TestValues, nil)', () => {
    const maybe = contextKey<string | undefined>('maybe')
    const ctx = withValue(withValue(root, maybe, 'there'), maybe, undefined)

    expect(ctx.value(maybe)).toBeUndefined()
  })

  test('belongs to one key, even if another key has the same name (go: TestValues, key types)', () => {
    const namesake = contextKey<string>('user')
    const ctx = withValue(withValue(root, user, 'ada'), namesake, 'grace')

    expect([ctx.value(user), ctx.value(namesake)]).toEqual(['ada', 'grace'])
  })

  test('can be read after the end (go: TestLayersCancel)', () => {
    const parent = withCancel(root)
    const ctx = withValue(withCancel(withValue(parent, user, 'ada')), trace, 7)
    parent.cancel()

    expect([ctx.value(user), ctx.value(trace)]).toEqual(['ada', 7])
  })

  test('needs a key (go: TestWithValueChecksKey)', () => {
    // A caller without types.
    for (const json of ['null', '"user"', '1']) {
      expect(() => withValue(root, JSON.parse(json) as typeof user, 'x')).toThrow(
        /expected a contextKey, got/,
      )
    }
  })

  test('takes its type from its key (go doc: "Packages that define a Context key should provide type-safe accessors")', () => {
    const ctx = withValue(withValue(root, user, 'ada'), trace, 7)
    const found: [string | undefined, number | undefined] = [ctx.value(user), ctx.value(trace)]

    expect(found).toEqual(['ada', 7])
  })
})

describe('a context with a value', () => {
  test("has its parent's err, cause, deadline and signal (go doc: WithValue)", () => {
    const parent = withTimeout(root, 60_000)
    const ctx = withValue(parent, user, 'ada')
    expect([ctx.err, ctx.deadline, ctx.signal]).toEqual([undefined, parent.deadline, parent.signal])
    const why = new Error('why')
    parent.cancel(why)

    expect([ctx.err, cause(ctx), ctx.signal.reason]).toEqual([Canceled, why, why])
  })

  test('is not registered with its parent (beyond Go)', () => {
    using parent = withCancel(root)
    for (let i = 0; i < 1_000; i++) withValue(parent, trace, i)

    expect(liveContexts(parent).children).toEqual([])
  })
})

describe('thirty layers of values, cancels and timeouts', () => {
  /** A fixed sequence chooses the kind of each layer, so that a failure can be repeated. */
  function layers(timeoutMs: number): { leaf: Context; held: Map<object, string>; ends: CancelContext[] } {
    const held = new Map<object, string>()
    const ends: CancelContext[] = []
    let leaf: Context = root
    for (let i = 0; i < 31; i++) {
      const kind = (i * 7 + 3) % 5
      if (kind < 2) {
        const key = contextKey<string>(`layer ${i}`)
        held.set(key, `value ${i}`)
        leaf = withValue(leaf, key, `value ${i}`)
        continue
      }
      const end = kind < 4 ? withCancel(leaf) : withTimeout(leaf, timeoutMs)
      ends.push(end)
      leaf = end
    }
    return { leaf, held, ends }
  }

  /** Values that are not those of their keys. */
  function wrong(leaf: Context, held: Map<object, string>): unknown[] {
    return [...held].filter(([key, value]) => leaf.value(key as typeof user) !== value)
  }

  test('keep every value, and any one cancel ends the leaf (go: TestLayersCancel)', () => {
    for (let i = 0; ; i++) {
      const { leaf, held, ends } = layers(60_000)
      if (i === ends.length) {
        ends[0]?.cancel()
        break
      }
      expect([leaf.err, wrong(leaf, held)]).toEqual([undefined, []])
      ends[i]?.cancel()
      expect([leaf.err, leaf.signal.aborted, wrong(leaf, held)]).toEqual([Canceled, true, []])
      ends[0]?.cancel()
    }
    expect(liveContexts(root).children).toEqual([])
  })

  test('keep every value, and a timer ends the leaf (go: TestLayersTimeout)', async () => {
    const { leaf, held, ends } = layers(10)
    await ended(leaf)

    expect([leaf.err, wrong(leaf, held)]).toEqual([DeadlineExceeded, []])
    ends[0]?.cancel()
  })
})

describe('withoutCancel', () => {
  test('keeps values and drops err, deadline, signal and cause (go: TestWithoutCancel)', () => {
    using parent = withTimeout(withValue(root, user, 'ada'), 60_000)
    const ctx = withoutCancel(parent)

    expect([ctx.value(user), ctx.err, ctx.deadline, cause(ctx)]).toEqual([
      'ada',
      undefined,
      undefined,
      undefined,
    ])
    expect(ctx.signal).not.toBe(parent.signal)
  })

  test('outlives its parent, with all below it (go: TestWithoutCancel)', () => {
    const parent = withCancel(withValue(root, user, 'ada'))
    const ctx = withoutCancel(parent)
    using child = withCancel(withValue(ctx, trace, 1))
    const { signal } = ctx
    parent.cancel()

    expect([ctx.err, child.err, signal.aborted, ctx.value(user)]).toEqual([
      undefined,
      undefined,
      false,
      'ada',
    ])
    expect(ctx.signal).toBe(signal)
  })

  test('of a parent that has ended is not done (go: TestCause, row WithoutCancel canceled)', () => {
    const parent = withCancel(root)
    parent.cancel()
    const ctx = withoutCancel(withValue(parent, user, 'ada'))

    expect([ctx.err, cause(ctx), ctx.value(user)]).toEqual([undefined, undefined, 'ada'])
  })

  test('has children that can be cancelled, and deadlines of their own (go doc: WithoutCancel)', () => {
    const ctx = withoutCancel(withTimeout(root, 0))
    const at = Date.now() + 60_000
    const child = withDeadline(ctx, at)
    expect([child.err, child.deadline]).toEqual([undefined, at])
    child.cancel()

    expect([child.err, ctx.err]).toEqual([Canceled, undefined])
  })

  test('registers its children with the root, so that they are listed (beyond Go)', () => {
    using request = withCancel(root)
    using job = withCancel(withoutCancel(request))

    expect(liveContexts(root).children).toHaveLength(2)
    expect([request.err, job.err]).toEqual([undefined, undefined])
  })
})
