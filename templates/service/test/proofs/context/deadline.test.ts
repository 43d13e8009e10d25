import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  afterFunc,
  background,
  Canceled,
  cause,
  contextKey,
  DeadlineExceeded,
  remainingMs,
  withCancel,
  withDeadline,
  withSignal,
  withTimeout,
  withValue,
} from '../../../src/context/context.ts'
import { ended } from '../../../src/context/ended.ts'

const root = background()
const key = contextKey<string>('layer')

/** Keeps the event loop busy, so that no timer can run. */
function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** The timers of this process that keep it alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

describe('a deadline', () => {
  test('ends its context when it passes (go: TestDeadline)', async () => {
    const at = new Date(Date.now() + 20)
    const ctx = withDeadline(root, at)
    expect(ctx.deadline).toBe(at.getTime())
    await ended(ctx)

    expect([ctx.err, cause(ctx), ctx.signal.reason]).toEqual(Array(3).fill(DeadlineExceeded))
    expect(Date.now()).toBeGreaterThanOrEqual(at.getTime() - 1)
  })

  test('is the same whether given as a Date or as epoch milliseconds (go doc: WithDeadline)', () => {
    const at = Date.now() + 60_000
    using date = withDeadline(root, new Date(at))
    using number = withDeadline(root, at)

    expect([date.deadline, number.deadline]).toEqual([at, at])
  })

  test("is remainingMs away, its parent's if that is sooner, and Infinity without one (go: time.Until)", async () => {
    using none = withCancel(root)
    using parent = withTimeout(root, 20)
    using child = withTimeout(parent, 60_000)

    expect(remainingMs(none)).toBe(Infinity)
    expect(remainingMs(child)).toBeLessThanOrEqual(20)

    await ended(child)
    expect(remainingMs(child)).toBeLessThanOrEqual(0)
  })

  test('ends its context before withDeadline returns when it has passed (go: TestDeadline, in the past)', () => {
    const at = Date.now() - 1_000
    const ctx = withDeadline(root, at)

    expect([ctx.err, cause(ctx), ctx.signal.aborted]).toEqual([DeadlineExceeded, DeadlineExceeded, true])
    expect(ctx.deadline).toBe(at)
  })

  test('ends its context before withDeadline returns when it is now (go: TestDeadline, now)', () => {
    expect(withDeadline(root, Date.now()).err).toBe(DeadlineExceeded)
  })

  test('has its cause if it has already passed (go doc: WithDeadlineCause)', () => {
    const late = new Error('late')

    expect(cause(withDeadline(root, 0, late))).toBe(late)
  })

  test('is inherited through cancel and value contexts (go doc: "the time when work done on behalf of this context should be canceled")', () => {
    using parent = withDeadline(root, Date.now() + 60_000)
    using child = withCancel(withValue(parent, key, 'x'))

    expect([child.deadline, withValue(child, key, 'y').deadline]).toEqual([parent.deadline, parent.deadline])
  })

  test("cannot be later than the parent's (go: TestDeadline)", async () => {
    const at = Date.now() + 20
    const parent = withDeadline(root, at)
    const child = withDeadline(parent, at + 60_000)
    expect(child.deadline).toBe(at)
    await ended(child)

    expect(child.err).toBe(DeadlineExceeded)
  })

  test("can be sooner than the parent's, and leaves the parent open (go: TestDeadline)", async () => {
    using parent = withTimeout(root, 60_000)
    const child = withTimeout(parent, 5)
    await ended(child)

    expect([child.err, parent.err]).toEqual([DeadlineExceeded, undefined])
  })

  test("may equal the parent's, and both end (go doc: WithDeadline)", async () => {
    const at = Date.now() + 20
    const parent = withDeadline(root, at)
    const child = withDeadline(parent, at)
    expect(child.deadline).toBe(at)
    await Promise.all([ended(parent), ended(child)])

    expect([parent.err, child.err]).toEqual([DeadlineExceeded, DeadlineExceeded])
  })

  test('is the same however often it is read (go doc: "Successive calls to Deadline return the same results.")', () => {
    using ctx = withTimeout(root, 60_000.5)
    const first = ctx.deadline
    block(3)

    expect(ctx.deadline).toBe(first)
    expect(Number.isInteger(first)).toBe(true)
  })

  test('can be read after the end (go doc: "Successive calls to Deadline return the same results.")', () => {
    const ctx = withDeadline(root, Date.now() + 60_000)
    const before = ctx.deadline
    ctx.cancel()

    expect(ctx.deadline).toBe(before)
  })

  test('is undefined if none was set (go doc: "ok==false when no deadline is set")', () => {
    using ctx = withCancel(root)

    expect(ctx.deadline).toBeUndefined()
  })
})

describe('a timeout', () => {
  test('ends its context after its milliseconds, not before (go: TestTimeout)', async () => {
    const startedAt = performance.now()
    const ctx = withTimeout(root, 20)
    await ended(ctx)

    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(20)
    expect(ctx.err).toBe(DeadlineExceeded)
  })

  test('is a deadline (go doc: "WithTimeout returns WithDeadline(parent, time.Now().Add(timeout)).")', () => {
    const before = Date.now()
    using ctx = withTimeout(root, 60_000)

    expect(ctx.deadline).toBeGreaterThanOrEqual(before + 59_999)
    expect(ctx.deadline).toBeLessThanOrEqual(Date.now() + 60_001)
  })

  test('that was cancelled stays Canceled when its time is up (go: TestCanceledTimeout)', async () => {
    const ctx = withTimeout(root, 200)
    ctx.cancel()
    expect(ctx.err).toBe(Canceled)
    await ended(withTimeout(root, 210))

    expect([ctx.err, cause(ctx), ctx.signal.reason]).toEqual([Canceled, Canceled, Canceled])
  })

  test('of zero or less ends its context at once (go doc: WithDeadline)', () => {
    const contexts = [0, -0, -1, -(2 ** 40), -Infinity].map((ms) => withTimeout(root, ms))

    expect(contexts.map((ctx) => ctx.err)).toEqual(Array(5).fill(DeadlineExceeded))
  })

  test('of Infinity is not a deadline (beyond Go)', () => {
    const before = timers()
    using timeout = withTimeout(root, Infinity)
    using deadline = withDeadline(root, Infinity)

    expect([timeout.deadline, deadline.deadline, timers()]).toEqual([undefined, undefined, before])
  })

  test('that is not a number is refused by name (beyond Go)', () => {
    expect(() => withTimeout(root, NaN)).toThrow(new TypeError('withTimeout: expected milliseconds, got NaN'))
    expect(() => withDeadline(root, NaN)).toThrow(new TypeError('withDeadline: expected a time, got NaN'))
    expect(() => withDeadline(root, new Date('yesterday'))).toThrow(TypeError)
    // An unparsed variable of the environment.
    expect(() => withTimeout(root, JSON.parse('"300"') as number)).toThrow('expected milliseconds, got 300')
  })

  test.each([[Number.MAX_SAFE_INTEGER], [2 ** 31], [2 ** 32]])(
    'of %d ms does not fire early, nor warn (beyond Go)',
    async (ms) => {
      const warnings: Error[] = []
      const onWarning = (warning: Error): unknown => warnings.push(warning)
      process.on('warning', onWarning)
      using ctx = withTimeout(root, ms)
      await ended(withTimeout(root, 5))
      process.off('warning', onWarning)

      expect([ctx.err, warnings]).toEqual([undefined, []])
    },
  )

  test('makes one timer, which its end clears (go doc: "Canceling this context releases resources associated with it")', () => {
    const before = timers()
    const ctx = withTimeout(root, 60_000)
    expect(timers()).toBe(before + 1)
    ctx.cancel()

    expect(timers()).toBe(before)
  })

  test("makes no timer when the parent's deadline is sooner (go doc: WithDeadline)", () => {
    using parent = withTimeout(root, 60_000)
    const before = timers()
    using child = withTimeout(parent, 60_001)

    expect(timers()).toBe(before)
    expect(child.deadline).toBe(parent.deadline)
  })

  test("is cleared by its parent's end (go: XTestParentFinishesChild)", () => {
    const before = timers()
    const parent = withCancel(root)
    withTimeout(parent, 60_000)
    withTimeout(withValue(parent, key, 'x'), 60_000)
    expect(timers()).toBe(before + 2)
    parent.cancel()

    expect(timers()).toBe(before)
  })
})

describe('with a fake clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('a timeout beyond the 31 bits of setTimeout ends on time (beyond Go)', () => {
    const days = 100 * 24 * 60 * 60_000
    const ctx = withTimeout(root, days)
    vi.advanceTimersByTime(days - 1)
    expect(ctx.err).toBeUndefined()
    vi.advanceTimersByTime(1)

    expect(ctx.signal.reason).toBe(DeadlineExceeded)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('the earliest deadline on a path wins, at any depth (go: TestLayersTimeout)', () => {
    const first = withTimeout(root, 300)
    const second = withTimeout(withCancel(first), 100)
    const third = withTimeout(withValue(second, key, 'x'), 200)
    vi.advanceTimersByTime(100)
    expect([first.err, second.err, third.err]).toEqual([undefined, DeadlineExceeded, DeadlineExceeded])
    vi.advanceTimersByTime(200)

    expect(first.err).toBe(DeadlineExceeded)
  })
})

test.each([365, -365])(
  'a wall clock that jumps by %d days neither ends a context nor moves its deadline (beyond Go)',
  async (days) => {
    using long = withTimeout(root, 60_000)
    const short = withTimeout(root, 20)
    const { deadline } = long
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      vi.setSystemTime(Date.now() + days * 24 * 60 * 60_000)

      expect([long.err, long.deadline]).toEqual([undefined, deadline])
      await ended(short)
      expect([short.err, long.err]).toEqual([DeadlineExceeded, undefined])
    } finally {
      vi.useRealTimers()
    }
  },
)

describe('in a loop that never yields, a deadline that has passed', () => {
  test('counts as passed when err is read, though no timer could run (beyond Go)', () => {
    const ctx = withTimeout(root, 20)
    const signal = ctx.signal
    block(25)
    expect(signal.aborted).toBe(false)

    expect(ctx.err).toBe(DeadlineExceeded)
    expect([signal.aborted, signal.reason]).toEqual([true, DeadlineExceeded])
  })

  test('is seen through cause, a fresh signal, a value context and a listener alike (beyond Go)', () => {
    const [first, second, third, fourth] = [1, 2, 3, 4].map(() => withTimeout(root, 5))
    if (!first || !second || !third || !fourth) throw new Error('four were made')
    block(10)

    expect(cause(first)).toBe(DeadlineExceeded)
    expect(second.signal.reason).toBe(DeadlineExceeded)
    expect(withValue(third, key, 'x').err).toBe(DeadlineExceeded)
    expect(withCancel(fourth).err).toBe(DeadlineExceeded)
  })

  test('ends its own context and all below, whichever of them is read (beyond Go)', () => {
    const late = new Error('late')
    const owner = withTimeout(root, 5, late)
    const sibling = withCancel(owner)
    const asked = withCancel(withValue(withCancel(owner), key, 'x'))
    const signals = [owner.signal, sibling.signal]
    block(10)
    expect(asked.err).toBe(DeadlineExceeded)

    expect(signals.map((signal) => signal.reason as unknown)).toEqual([late, late])
    expect(cause(asked)).toBe(late)
  })

  test('wins over a later cancel (beyond Go)', () => {
    const late = new Error('late')
    const ctx = withTimeout(root, 5, late)
    block(10)
    ctx.cancel(new Error('too late'))

    expect([ctx.err, cause(ctx)]).toEqual([DeadlineExceeded, late])
  })

  test("wins over the parent's cancel and the parent's later deadline (beyond Go)", () => {
    const late = new Error('late')
    const at = Date.now() + 30
    // So much later that it stays the later one even if the process pauses between two of these lines.
    const parents = [withCancel(root), withDeadline(root, at + 30)]
    const children = parents.map((parent) => withDeadline(parent, at, late))
    const below = children.map((ctx) => withCancel(ctx))
    block(70)
    for (const parent of parents) parent.cancel(new Error('too late'))

    expect([...children, ...below].map(cause)).toEqual(Array(4).fill(late))
    expect([...children, ...below].map((ctx) => ctx.err)).toEqual(Array(4).fill(DeadlineExceeded))
    expect(parents.map((ctx) => ctx.err)).toEqual([Canceled, DeadlineExceeded])
  })

  test('wins over a foreign signal that aborts later (beyond Go)', () => {
    const foreign = new AbortController()
    const parent = withTimeout(root, 5)
    const ctx = withSignal(parent, foreign.signal)
    block(10)
    foreign.abort(new Error('too late'))

    expect([ctx.err, parent.err]).toEqual([DeadlineExceeded, DeadlineExceeded])
  })

  test('starts its callbacks once (beyond Go)', async () => {
    const ctx = withTimeout(root, 5)
    let runs = 0
    afterFunc(ctx, () => runs++)
    block(10)
    expect([ctx.err, runs]).toEqual([DeadlineExceeded, 0])
    await ended(withTimeout(root, 10))

    expect(runs).toBe(1)
  })
})
