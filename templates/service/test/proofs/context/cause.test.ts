import { describe, expect, test } from 'vitest'
import {
  background,
  Canceled,
  cause,
  DeadlineExceeded,
  throwIfEnded,
  todo,
  withCancel,
  withoutCancel,
  withSignal,
  withTimeout,
  type Context,
} from '../../../src/context/context.ts'
import { ended } from '../../../src/context/ended.ts'

const root = background()
const parentCause = new Error('parentCause')
const childCause = new Error('childCause')
const tooSlow = new Error('tooSlow')
const tooSlowToo = new Error('tooSlowToo')
const finishedEarly = new Error('finishedEarly')

interface Row {
  name: string
  make: () => Context
  err?: Error
  cause?: Error
}

/** Go's table, row by row. */
const rows: Row[] = [
  { name: 'Background', make: () => root },
  { name: 'TODO', make: () => todo() },
  {
    name: 'WithCancel',
    make: () => {
      const ctx = withCancel(root)
      ctx.cancel()
      return ctx
    },
    err: Canceled,
    cause: Canceled,
  },
  {
    name: 'WithCancelCause',
    make: () => {
      const ctx = withCancel(root)
      ctx.cancel(parentCause)
      return ctx
    },
    err: Canceled,
    cause: parentCause,
  },
  {
    name: 'WithCancelCause nil',
    make: () => {
      const ctx = withCancel(root)
      ctx.cancel(undefined)
      return ctx
    },
    err: Canceled,
    cause: Canceled,
  },
  {
    name: 'WithCancelCause: parent cause before child',
    make: () => {
      const parent = withCancel(root)
      const ctx = withCancel(parent)
      parent.cancel(parentCause)
      ctx.cancel(childCause)
      return ctx
    },
    err: Canceled,
    cause: parentCause,
  },
  {
    name: 'WithCancelCause: parent cause after child',
    make: () => {
      const parent = withCancel(root)
      const ctx = withCancel(parent)
      ctx.cancel(childCause)
      parent.cancel(parentCause)
      return ctx
    },
    err: Canceled,
    cause: childCause,
  },
  {
    name: 'WithCancelCause: parent cause before nil',
    make: () => {
      const parent = withCancel(root)
      const ctx = withCancel(parent)
      parent.cancel(parentCause)
      ctx.cancel()
      return ctx
    },
    err: Canceled,
    cause: parentCause,
  },
  {
    name: 'WithCancelCause: parent cause after nil',
    make: () => {
      const parent = withCancel(root)
      const ctx = withCancel(parent)
      ctx.cancel()
      parent.cancel(parentCause)
      return ctx
    },
    err: Canceled,
    cause: Canceled,
  },
  {
    name: 'WithCancelCause: child cause after nil',
    make: () => {
      const parent = withCancel(root)
      const ctx = withCancel(parent)
      parent.cancel()
      ctx.cancel(childCause)
      return ctx
    },
    err: Canceled,
    cause: Canceled,
  },
  {
    name: 'WithCancelCause: child cause before nil',
    make: () => {
      const parent = withCancel(root)
      const ctx = withCancel(parent)
      ctx.cancel(childCause)
      parent.cancel()
      return ctx
    },
    err: Canceled,
    cause: childCause,
  },
  {
    name: 'WithTimeout',
    make: () => {
      const ctx = withTimeout(root, 0)
      ctx.cancel()
      return ctx
    },
    err: DeadlineExceeded,
    cause: DeadlineExceeded,
  },
  {
    name: 'WithTimeout canceled',
    make: () => {
      const ctx = withTimeout(root, 60_000)
      ctx.cancel()
      return ctx
    },
    err: Canceled,
    cause: Canceled,
  },
  {
    name: 'WithTimeoutCause',
    make: () => {
      const ctx = withTimeout(root, 0, tooSlow)
      ctx.cancel()
      return ctx
    },
    err: DeadlineExceeded,
    cause: tooSlow,
  },
  {
    name: 'WithTimeoutCause canceled',
    make: () => {
      const ctx = withTimeout(root, 60_000, tooSlow)
      ctx.cancel()
      return ctx
    },
    err: Canceled,
    cause: Canceled,
  },
  {
    name: 'WithTimeoutCause stacked',
    make: () => {
      const parent = withCancel(root)
      const ctx = withTimeout(parent, 0, tooSlow)
      parent.cancel(finishedEarly)
      return ctx
    },
    err: DeadlineExceeded,
    cause: tooSlow,
  },
  {
    name: 'WithTimeoutCause stacked canceled',
    make: () => {
      const parent = withCancel(root)
      const ctx = withTimeout(parent, 60_000, tooSlow)
      parent.cancel(finishedEarly)
      return ctx
    },
    err: Canceled,
    cause: finishedEarly,
  },
  { name: 'WithoutCancel', make: () => withoutCancel(root) },
  {
    name: 'WithoutCancel canceled',
    make: () => {
      const parent = withCancel(root)
      const ctx = withoutCancel(parent)
      parent.cancel(finishedEarly)
      return ctx
    },
  },
  { name: 'WithoutCancel timeout', make: () => withoutCancel(withTimeout(root, 0, tooSlow)) },
]

/** Where Go's test has a custom Context, this one has a foreign AbortSignal. */
const foreignRows: Row[] = [
  {
    name: 'the foreign end before the child',
    make: () => {
      const foreign = new AbortController()
      const ctx = withSignal(root, foreign.signal)
      foreign.abort(parentCause)
      ctx.cancel(childCause)
      return ctx
    },
    err: Canceled,
    cause: parentCause,
  },
  {
    name: 'the foreign end after the child',
    make: () => {
      const foreign = new AbortController()
      const ctx = withSignal(root, foreign.signal)
      ctx.cancel(childCause)
      foreign.abort(parentCause)
      return ctx
    },
    err: Canceled,
    cause: childCause,
  },
  {
    name: 'a cause from above, through a foreign context, to a child below it',
    make: () => {
      const above = withCancel(root)
      const ctx = withCancel(withSignal(root, above.signal))
      above.cancel(parentCause)
      return ctx
    },
    err: Canceled,
    cause: parentCause,
  },
]

test.each(rows.map((row) => [row.name, row] as const))(
  '%s: err and cause are those of Go (go: TestCause)',
  (_, row) => {
    const ctx = row.make()

    expect(ctx.err).toBe(row.err)
    expect(cause(ctx)).toBe(row.cause)
  },
)

test("the table has the twenty rows of Go's table (go: TestCause)", () => {
  expect(rows).toHaveLength(20)
})

test.each(foreignRows.map((row) => [row.name, row] as const))(
  '%s: err and cause are those of Go (go: TestCustomContextPropagation, TestCustomContextCause)',
  (_, row) => {
    const ctx = row.make()

    expect(ctx.err).toBe(row.err)
    expect(cause(ctx)).toBe(row.cause)
  },
)

test('the first cause is kept: parent then child, and child then parent (go doc: "The first cancellation of c or one of its parents sets the cause.")', () => {
  const grandparent = withCancel(root)
  const parent = withCancel(grandparent)
  const child = withCancel(parent)
  parent.cancel(parentCause)
  grandparent.cancel(new Error('later'))

  expect([cause(parent), cause(child), cause(grandparent)?.message]).toEqual([
    parentCause,
    parentCause,
    'later',
  ])
})

test("a child's cause never leaks upward, not even through a foreign context (go: TestCustomContextCause)", () => {
  const foreign = new AbortController()
  const parent = withSignal(root, foreign.signal)
  const child = withCancel(parent)
  child.cancel(childCause)
  expect(cause(parent)).toBeUndefined()
  foreign.abort(parentCause)

  expect([cause(parent), cause(child)]).toEqual([parentCause, childCause])
})

test('err and cause can be read inside the first abort listener (go: TestCauseRace)', () => {
  const ctx = withCancel(root)
  const seen: unknown[] = []
  ctx.signal.addEventListener('abort', () => seen.push(ctx.err, cause(ctx), ctx.signal.reason))
  ctx.cancel(parentCause)

  expect(seen).toEqual([Canceled, parentCause, parentCause])
})

describe('a timeout with a cause', () => {
  test('ends with that cause when its own timer fires, below it too (go doc: WithTimeoutCause)', async () => {
    const ctx = withTimeout(root, 5, tooSlow)
    const child = withCancel(ctx)
    expect(await ended(ctx)).toBe(tooSlow)

    expect([ctx.err, child.err]).toEqual([DeadlineExceeded, DeadlineExceeded])
    expect([cause(child), child.signal.reason]).toEqual([tooSlow, tooSlow])
  })

  test("ends with its parent's cause if the parent's timer is earlier (go doc: WithTimeoutCause)", async () => {
    const parent = withTimeout(root, 5, tooSlow)
    const ctx = withTimeout(parent, 60_000, tooSlowToo)

    expect(await ended(ctx)).toBe(tooSlow)
  })

  test('ends with its own cause if its timer is earlier, and the parent stays open (go doc: WithTimeoutCause)', async () => {
    using parent = withTimeout(root, 60_000, tooSlow)
    const ctx = withTimeout(parent, 5, tooSlowToo)

    expect(await ended(ctx)).toBe(tooSlowToo)
    expect(parent.err).toBeUndefined()
  })
})

describe('the two errors', () => {
  test('read as in Go (go doc: Canceled, DeadlineExceeded)', () => {
    expect([Canceled.message, DeadlineExceeded.message]).toEqual([
      'context canceled',
      'context deadline exceeded',
    ])
  })

  test("look like AbortSignal's errors: a timeout has the name TimeoutError (go: TestDeadlineExceededSupportsTimeout)", () => {
    expect([Canceled.name, DeadlineExceeded.name]).toEqual(['AbortError', 'TimeoutError'])
    expect([Canceled instanceof Error, DeadlineExceeded instanceof Error]).toEqual([true, true])
  })

  test('have no stack, because they are made once and shared (beyond Go)', () => {
    expect([Canceled.stack, DeadlineExceeded.stack]).toEqual([
      'AbortError: context canceled',
      'TimeoutError: context deadline exceeded',
    ])
  })
})

test('throwIfEnded throws the cause once there is one (go doc: Cause)', () => {
  const ctx = withCancel(root)
  expect(() => throwIfEnded(ctx)).not.toThrow()
  ctx.cancel(parentCause)

  expect(() => throwIfEnded(ctx)).toThrow(parentCause)
})
