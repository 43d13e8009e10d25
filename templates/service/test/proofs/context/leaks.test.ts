import { getEventListeners } from 'node:events'
import { beforeAll, describe, expect, test } from 'vitest'
import { runScript } from '../support/script.ts'
import {
  afterFunc,
  background,
  Canceled,
  cause,
  contextKey,
  DeadlineExceeded,
  liveContexts,
  withCancel,
  withSignal,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
} from '../../../src/context/context.ts'

const root = background()
const key = contextKey<number>('layer')

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

test('after ten thousand simulated requests the parent has no child, the process no timer, the foreign signal no listener (go: XTestCancelRemoves)', () => {
  using server = withCancel(root)
  const { signal } = new AbortController()
  const before = timers()
  for (let i = 0; i < 10_000; i++) {
    using client = withSignal(withValue(server, key, i), signal)
    using request = withTimeout(client, 60_000)
    using worker = withCancel(request)
    const stop = afterFunc(worker, () => undefined)
    if (i % 2 === 0) stop()
    if (i === 0) {
      expect([timers(), getEventListeners(signal, 'abort').length]).toEqual([before + 1, 1])
      expect(liveContexts(server).children).toHaveLength(1)
    }
  }

  expect(timers()).toBe(before)
  expect(getEventListeners(signal, 'abort')).toEqual([])
  expect(liveContexts(server).children).toEqual([])
})

describe('a tree twenty thousand deep', () => {
  const depth = 20_000

  /** One layer of each kind in turn. */
  function dig(): { top: CancelContext; middle: Context; leaf: Context } {
    const { signal } = new AbortController()
    const top = withCancel(root)
    let leaf: Context = withValue(top, key, -1)
    let middle = leaf
    for (let i = 0; i < depth; i++) {
      if (i % 4 === 0) leaf = withCancel(leaf)
      else if (i % 4 === 1) leaf = withTimeout(leaf, 60_000 + i)
      else if (i % 4 === 2) leaf = withValue(leaf, contextKey<number>(`layer ${i}`), i)
      else leaf = withSignal(leaf, signal)
      if (i === depth / 2) middle = leaf
    }
    return { top, middle, leaf }
  }

  test('is cancelled, read and searched without overflowing the stack (go: BenchmarkCancelTree, BenchmarkDeepValueSameGoRoutine)', () => {
    const { top, middle, leaf } = dig()
    expect([leaf.value(key), leaf.err, leaf.deadline === middle.deadline]).toEqual([-1, undefined, true])
    const signals = [middle.signal, leaf.signal]
    const why = new Error('why')
    top.cancel(why)

    expect([leaf.err, cause(leaf), leaf.value(key)]).toEqual([Canceled, why, -1])
    expect(signals.map((signal) => signal.reason as unknown)).toEqual([why, why])
  })

  test('aborts every signal that was read, parents first (beyond Go)', () => {
    const top = withCancel(root)
    const told: number[] = []
    let leaf: Context = top
    for (let i = 0; i < depth; i++) {
      leaf = withCancel(leaf)
      leaf.signal.addEventListener('abort', () => told.push(i))
    }
    top.cancel()

    expect(told).toHaveLength(depth)
    expect(told.every((i, at) => i === at)).toBe(true)
  })

  test('passes the deadline of its top to its leaf, and is listed completely (beyond Go)', () => {
    const top = withTimeout(root, 60_000)
    let leaf: Context = top
    for (let i = 0; i < depth; i++) leaf = withCancel(leaf)
    expect(leaf.deadline).toBe(top.deadline)
    let shown = liveContexts(top)
    let shownDepth = 0
    for (let next = shown.children[0]; next !== undefined; next = shown.children[0]) {
      shown = next
      shownDepth++
    }
    expect(shownDepth).toBe(depth)
    top.cancel()

    expect(leaf.err).toBe(Canceled)
  })
})

test('a value fifty thousand values up is found (go: BenchmarkDeepValueNewGoRoutine)', () => {
  let leaf = withValue(root, key, -1)
  for (let i = 0; i < 50_000; i++) leaf = withValue(leaf, contextKey<number>('another'), i)

  expect(leaf.value(key)).toBe(-1)
})

test('two hundred thousand children of one parent end with it (go: BenchmarkCommonParentCancel)', () => {
  const parent = withCancel(root)
  const children = Array.from({ length: 200_000 }, () => withCancel(parent))
  parent.cancel()

  expect(children.every((child) => child.err === Canceled)).toBe(true)
})

test('a deadline ends ten thousand children after a busy loop (beyond Go)', () => {
  const parent = withTimeout(root, 5)
  const children = Array.from({ length: 10_000 }, () => withCancel(parent))
  const until = performance.now() + 6
  while (performance.now() < until);

  expect(children.at(-1)?.err).toBe(DeadlineExceeded)
  expect(liveContexts(parent).children).toEqual([])
})

describe('the heap under a long-lived parent is flat', () => {
  /** The retained bytes for each repetition, by operation. */
  let kept: Record<string, number>
  /** The same after a collection of the young generation only, which a busy service has a hundred times as often. */
  let keptWhileYoung: Record<string, number>

  beforeAll(async () => {
    await using script = runScript(
      `
      import { afterFunc, background, contextKey, withCancel, withoutCancel, withSignal, withTimeout, withValue }
        from './context.ts'
      import { ended } from './ended.ts'
      import { until } from './until.ts'
      const root = background()
      const server = withCancel(root)
      const foreign = new AbortController()
      const key = contextKey('key')
      const work = {
        'withCancel and cancel': [50_000, () => withCancel(server).cancel()],
        'withTimeout and cancel': [50_000, () => withTimeout(server, 60_000).cancel()],
        'withSignal and cancel': [10_000, () => withSignal(server, foreign.signal).cancel()],
        'a signal read, listened to, and cancel': [20_000, () => {
          const ctx = withCancel(server)
          ctx.signal.addEventListener('abort', () => undefined)
          ctx.cancel()
        }],
        'afterFunc and stop': [50_000, () => afterFunc(server, () => undefined)()],
        'withoutCancel': [50_000, () => withoutCancel(withValue(server, key, {}))],
        'withValue, a million of them': [1_000_000, (i) => withValue(server, key, i)],
        'a subtree and its cancel': [10_000, () => {
          const ctx = withTimeout(withValue(server, key, {}), 60_000)
          for (let i = 0; i < 4; i++) afterFunc(withCancel(ctx), () => undefined)
          ctx.cancel()
        }],
        'until a promise': [20_000, () => until(server, Promise.resolve())],
        'the end raced with a promise': [20_000, async () => {
          const stopped = ended(server)
          await Promise.race([Promise.resolve(), stopped])
          stopped[Symbol.dispose]()
        }],
        'nothing: contexts that nobody ends': [10_000, () => withCancel(server)],
      }
      async function heap() {
        for (let i = 0; i < 3; i++) {
          await new Promise((resolve) => setImmediate(resolve))
          gc()
        }
        return process.memoryUsage().heapUsed
      }
      async function heapAfterYoung() {
        await new Promise((resolve) => setImmediate(resolve))
        for (let i = 0; i < 3; i++) gc({ type: 'minor' })
        return process.memoryUsage().heapUsed
      }
      const kept = {}
      const keptWhileYoung = {}
      for (const [name, [times, once]] of Object.entries(work)) {
        // The first round warms up: V8's tables of weak references grow with the garbage and do not shrink.
        for (let i = 0; i < times; i++) once(i)
        const before = await heap()
        for (let i = 0; i < times; i++) once(i)
        keptWhileYoung[name] = (await heapAfterYoung() - before) / times
        kept[name] = (await heap() - before) / times
      }
      console.log(JSON.stringify({ kept, keptWhileYoung }))
      server.cancel()
      `,
      ['--expose-gc'],
    )
    const { stdout, stderr, code } = await script.exit
    if (code !== 0) throw new Error(`the measurement failed: ${stderr}`)
    // The script prints these two, of numbers by name, and nothing else.
    const printed = JSON.parse(stdout) as Record<'kept' | 'keptWhileYoung', Record<string, number>>
    kept = printed.kept
    keptWhileYoung = printed.keptWhileYoung
  }, 60_000)

  test.each([
    ['withCancel and cancel'],
    ['withTimeout and cancel'],
    ['withSignal and cancel'],
    ['a signal read, listened to, and cancel'],
    ['afterFunc and stop'],
    ['withoutCancel'],
    ['withValue, a million of them'],
    ['a subtree and its cancel'],
    ['until a promise'],
    ['the end raced with a promise'],
  ])('after %s (beyond Go)', (name) => {
    // A retained context or callback takes more, with its list entry; a few bytes are V8's own.
    expect(kept[name]).toBeLessThan(32)
  })

  test.each([['withCancel and cancel'], ['withTimeout and cancel'], ['afterFunc and stop']])(
    'after %s, without waiting for a major collection, though the parent is old (beyond Go)',
    (name) => {
      expect(keptWhileYoung[name]).toBeLessThan(32)
    },
  )

  test('and grows by contexts that nobody ended, which the measurement finds (go doc: "Failing to call the CancelFunc leaks the child and its children")', () => {
    expect(kept['nothing: contexts that nobody ends']).toBeGreaterThan(100)
  })
})
