import { describe, expect, test } from 'vitest'
import {
  afterFunc,
  Canceled,
  cause,
  DeadlineExceeded,
  liveContexts,
  todo,
  withCancel,
  withTimeout,
  type Context,
} from '../../../src/context/context.ts'
import { ended } from '../../../src/context/ended.ts'
import { group } from '../../../src/context/group.ts'
import { testContext } from '../../../src/context/test-context.ts'
import { until } from '../../../src/context/until.ts'

/** A promise, and the function that resolves it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/** Resolves when all queued microtasks have run, including those that they queue. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('wait', () => {
  test('resolves when all work has returned (go: errgroup TestZeroGroup)', async (t) => {
    const work = group(testContext(t))
    const [first, second] = [gate(), gate()]
    const done: string[] = []
    work.go(async () => {
      await second.opened
      done.push('second')
    })
    work.go(async () => {
      await first.opened
      done.push('first')
      second.open()
    })
    first.open()
    await work.wait()

    expect(done).toEqual(['first', 'second'])
  })

  test('resolves at once when there is no work (go: errgroup TestZeroGroup)', async (t) => {
    await expect(group(testContext(t)).wait()).resolves.toBeUndefined()
  })

  test('rejects with the first failure (go: errgroup TestZeroGroup)', async (t) => {
    const work = group(testContext(t))
    const first = new Error('first')
    work.go(async (ctx) => {
      await ended(ctx)
      throw new Error('second')
    })
    work.go(() => Promise.reject(first))

    await expect(work.wait()).rejects.toBe(first)
  })

  test('rejects with an error that the work threw before its first await (beyond Go)', async (t) => {
    const work = group(testContext(t))
    const thrown = new Error('at once')
    work.go(() => {
      throw thrown
    })

    await expect(work.wait()).rejects.toBe(thrown)
  })

  test('rejects with an Error if another value was thrown (beyond Go)', async (t) => {
    const work = group(testContext(t))
    // A value that a library without types may throw.
    work.go(() => Promise.reject(JSON.parse('"a string"') as Error))

    await expect(work.wait()).rejects.toMatchObject({ message: 'a string', cause: 'a string' })
  })

  test('rejects only when all work has returned (go doc: errgroup "Wait blocks until all function calls from the Go method have returned")', async (t) => {
    const work = group(testContext(t))
    const last = gate()
    const order: string[] = []
    work.go(() => Promise.reject(new Error('failed')))
    work.go(async () => {
      await last.opened
      order.push('last')
    })
    const before = work.wait().catch(() => order.push('rejected'))
    await settled()
    const after = work.wait().catch(() => order.push('rejected'))
    await settled()
    expect(order).toEqual([])
    last.open()
    await Promise.all([before, after])

    expect(order).toEqual(['last', 'rejected', 'rejected'])
  })

  test('ends the context of the group (go: errgroup TestWithContext)', async (t) => {
    const ctx = testContext(t)
    const work = group(ctx)
    const seen = await new Promise<Context>((resolve) => {
      work.go((inner) => {
        resolve(inner)
        return Promise.resolve()
      })
    })
    expect(seen.err).toBeUndefined()
    await work.wait()

    expect([seen.err, ctx.err]).toEqual([Canceled, undefined])
    expect(liveContexts(ctx).children).toEqual([])
  })

  test('may be called by several callers (go doc: sync.WaitGroup)', async (t) => {
    const work = group(testContext(t))
    const one = gate()
    work.go(() => one.opened)
    const waits = [work.wait(), work.wait()]
    await settled()
    one.open()

    expect(await Promise.all(waits)).toEqual([undefined, undefined])
  })

  test('waits for work that other work started (go doc: errgroup Go)', async (t) => {
    const work = group(testContext(t))
    const inner = gate()
    let done = false
    work.go(() => {
      work.go(async () => {
        await inner.opened
        done = true
      })
      return Promise.resolve()
    })
    const waited = work.wait()
    await settled()
    inner.open()
    await waited

    expect(done).toBe(true)
  })
})

describe('the first failure', () => {
  test('is the cause that ends the context of the others, and does not end the parent (go: errgroup TestWithContext, TestCancelCause)', async (t) => {
    const ctx = testContext(t)
    const work = group(ctx)
    const failure = new Error('failed')
    const seen: unknown[] = []
    work.go(async (inner) => {
      seen.push(await ended(inner), inner.err, cause(inner))
    })
    work.go(() => Promise.reject(failure))
    await expect(work.wait()).rejects.toBe(failure)

    expect(seen).toEqual([failure, Canceled, failure])
    expect(ctx.err).toBeUndefined()
  })

  test('stops queued and later work from starting (go doc: errgroup "The first call to return a non-nil error cancels the group\'s context")', async (t) => {
    const work = group(testContext(t), { limit: 1 })
    const failure = new Error('failed')
    const started: string[] = []
    work.go(() => Promise.reject(failure))
    work.go(() => Promise.resolve(void started.push('queued')))
    await settled()
    work.go(() => Promise.resolve(void started.push('later')))

    await expect(work.wait()).rejects.toBe(failure)
    expect(started).toEqual([])
  })
})

describe('the end of the parent', () => {
  test('ends the work (go: errgroup TestWithContext)', async (t) => {
    const ctx = withCancel(testContext(t))
    const work = group(ctx)
    const why = new Error('client went away')
    work.go((inner) => until(inner, new Promise(() => undefined)))
    ctx.cancel(why)

    await expect(work.wait()).rejects.toBe(why)
  })

  test('is the failure if it stopped work from starting (beyond Go)', async (t) => {
    const ctx = withTimeout(testContext(t), 0)
    const work = group(ctx)
    let started = false
    work.go(() => Promise.resolve(void (started = true)))

    await expect(work.wait()).rejects.toBe(DeadlineExceeded)
    expect(started).toBe(false)
  })

  test('is not a failure if all work returned normally (go doc: errgroup Wait)', async (t) => {
    const ctx = withCancel(testContext(t))
    const work = group(ctx)
    work.go(async (inner) => {
      await ended(inner)
    })
    ctx.cancel()

    await expect(work.wait()).resolves.toBeUndefined()
  })
})

describe('a limit', () => {
  test.each([1, 3, 8])('of %d is reached and never exceeded (go: errgroup TestGoLimit)', async (limit) => {
    using ctx = withCancel(todo())
    const work = group(ctx, { limit })
    let running = 0
    let most = 0
    for (let i = 0; i < 30; i++) {
      work.go(async () => {
        running++
        most = Math.max(most, running)
        await settled()
        running--
      })
    }
    await work.wait()

    expect([most, running]).toEqual([limit, 0])
  })

  test('starts work in the order it was given (beyond Go)', async (t) => {
    const work = group(testContext(t), { limit: 1 })
    const order: number[] = []
    for (let i = 0; i < 5; i++) {
      work.go(async () => {
        await settled()
        order.push(i)
      })
    }
    await work.wait()

    expect(order).toEqual([0, 1, 2, 3, 4])
  })

  test.each([0, -1, NaN])('of %d is refused (go doc: errgroup SetLimit)', (limit) => {
    using ctx = withCancel(todo())

    expect(() => group(ctx, { limit })).toThrow(
      new RangeError(`group: expected a limit of at least 1, got ${limit}`),
    )
    expect(liveContexts(ctx).children).toEqual([])
  })
})

test('using cancels work that nobody waited for, and no rejection stays unhandled (beyond Go)', async (t) => {
  const ctx = testContext(t)
  const unobserved: unknown[] = []
  const onUnobserved = (reason: unknown): unknown => unobserved.push(reason)
  process.on('unhandledRejection', onUnobserved)
  t.onTestFinished(() => void process.off('unhandledRejection', onUnobserved))
  let cancelled: Promise<Error> | undefined
  const leave = (): void => {
    using work = group(ctx)
    work.go(async (inner) => {
      cancelled = ended(inner)
      throw await cancelled
    })
    throw new Error('left early')
  }

  expect(leave).toThrow('left early')
  expect(await cancelled).toBe(Canceled)
  await settled()
  expect(unobserved).toEqual([])
})

test('a group leaves nothing with its parent: no child, no callback (beyond Go)', async (t) => {
  const ctx = testContext(t)
  const callbacks: (() => boolean)[] = []
  for (let i = 0; i < 50; i++) {
    using work = group(ctx, { limit: 2 })
    work.go((inner) => {
      callbacks.push(afterFunc(inner, () => undefined))
      return Promise.resolve()
    })
    await work.wait()
  }

  expect(liveContexts(ctx).children).toEqual([])
  expect(callbacks.map((stop) => stop())).toEqual(Array(50).fill(false))
})

describe('a block that is left before wait', () => {
  test('fails, and names the place where the group was made (beyond Go)', async (t) => {
    const ctx = testContext(t)
    const failure = new Error('of the work')
    const leave = async (): Promise<number> => {
      using work = group(ctx)
      work.go(async () => Promise.reject(failure))
      await settled()
      return 200
    }

    await expect(leave()).rejects.toMatchObject({
      name: 'NotWaitedFor',
      message: expect.stringMatching(/made at .*group\.test\.ts:\d+:\d+.* was left before/) as string,
      cause: failure,
    })
  })

  test('fails even if the work has succeeded, because that depends on timing (beyond Go)', async (t) => {
    const ctx = testContext(t)
    const leave = async (): Promise<void> => {
      using work = group(ctx)
      work.go(async () => undefined)
      await settled()
    }

    await expect(leave()).rejects.toThrow('was left before its work was waited for')
  })

  test('fails if wait is still pending, and the failure of wait is handled (beyond Go)', async (t) => {
    const unobserved: unknown[] = []
    const onUnobserved = (reason: unknown): unknown => unobserved.push(reason)
    process.on('unhandledRejection', onUnobserved)
    t.onTestFinished(() => void process.off('unhandledRejection', onUnobserved))
    const ctx = testContext(t)
    const leave = (): Promise<void> => {
      using work = group(ctx)
      work.go(async (ctx) => {
        throw await ended(ctx)
      })
      return work.wait()
    }

    expect(leave).toThrow('was left before its work was waited for')
    await settled()
    expect(unobserved).toEqual([])
  })

  test('by an exception keeps that exception and cancels the work (beyond Go)', async (t) => {
    const ctx = testContext(t)
    const exception = new RangeError('of the block')
    let cancelled: Error | undefined
    const leave = async (): Promise<void> => {
      using work = group(ctx)
      work.go(async (ctx) => {
        cancelled = await ended(ctx)
      })
      await settled()
      throw exception
    }

    await expect(leave()).rejects.toBe(exception)
    await settled()
    expect(cancelled).toBe(Canceled)
  })

  test('by an exception adds the failure of another dispose, as any block does (beyond Go)', async () => {
    const [dispose, exception] = [new Error('of the dispose'), new Error('of the block')]
    const leave = async (): Promise<void> => {
      using _broken = {
        [Symbol.dispose]() {
          throw dispose
        },
      }
      await settled()
      throw exception
    }

    await expect(leave()).rejects.toMatchObject({
      name: 'SuppressedError',
      error: dispose,
      suppressed: exception,
    })
  })

  test('succeeds without any work, or if the parent has ended (beyond Go)', async (t) => {
    const ctx = withCancel(testContext(t))
    {
      using _idle = group(ctx)
    }
    const leave = async (): Promise<number> => {
      using work = group(ctx)
      work.go(async (ctx) => {
        await ended(ctx)
      })
      ctx.cancel()
      return 499
    }

    expect(await leave()).toBe(499)
  })
})

describe('go', () => {
  test('throws after wait, because the work would never start (beyond Go)', async (t) => {
    using work = group(testContext(t))
    work.go(async () => undefined)
    await work.wait()

    expect(() => work.go(async () => undefined)).toThrow(/^go: the group made at .*group\.test\.ts.* is over/)
  })

  test('accepts work from work that wait still waits for (go: errgroup TestGoLimit)', async (t) => {
    using work = group(testContext(t))
    const done: string[] = []
    work.go(async () => {
      await settled()
      work.go(async () => void done.push('inner'))
    })
    await work.wait()

    expect(done).toEqual(['inner'])
  })
})

test('wait rejects if work rejects with an object without a prototype (beyond Go)', async (t) => {
  using work = group(testContext(t))
  const bare: unknown = Object.create(null)
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what may come of other code
  work.go(() => Promise.reject(bare))

  await expect(work.wait()).rejects.toMatchObject({ cause: bare })
})
