import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PlainContexts, type Plain } from '../support/plain-contexts.ts'
import {
  afterFunc,
  Canceled,
  cause,
  contextKey,
  liveContexts,
  todo,
  withCancel,
  withoutCancel,
  withSignal,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
  type LiveContext,
} from '../../../src/context/context.ts'

const at = fc.nat()
const named = fc.boolean()
const foreign = fc.nat(1)
/** How long the event loop is kept busy before the step, during which no timer runs. */
const busy = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(30) })

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('cancel-context' as const), at }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('timeout' as const),
      at,
      ms: fc.integer({ min: -2, max: 40 }),
      named,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('value' as const), at, key: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('detach' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('signal' as const), at, foreign }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), at, named, busy }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), foreign, busy }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('listen' as const), at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('after' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(15) }) },
)

type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never

interface Callback {
  node: number
  stop: () => boolean
  stopped: boolean
  runs: number
}

const keys = [contextKey<number>('a'), contextKey<number>('b'), contextKey<number>('c')]

function count({ children }: LiveContext): number {
  return children.reduce((sum, child) => sum + 1 + count(child), 0)
}

/** The contexts and the model. Each step is applied to both, and then they are compared. */
class Pair {
  readonly model = new PlainContexts()
  readonly contexts: Context[] = [todo()]
  readonly cancels = new Map<number, CancelContext>()
  readonly foreign = [new AbortController(), new AbortController()]
  readonly listened = new Map<number, AbortSignal>()
  readonly callbacks: Callback[] = []
  /** The contexts whose listeners ran since the last step, in order. */
  told: number[] = []
  /** Differences from the model, collected here because an exception in a listener does not reach the caller. */
  readonly wrong: string[] = []
  readonly startedAt = Date.now()

  ctx(i: number): Context {
    const ctx = this.contexts[i]
    if (ctx === undefined) throw new Error(`there is no context ${i}`)
    return ctx
  }

  add(ctx: Context, node: Plain): void {
    this.contexts.push(ctx)
    this.model.derive(node)
  }

  addCancel(ctx: CancelContext, node: Plain): void {
    this.cancels.set(this.contexts.length, ctx)
    this.add(ctx, node)
  }

  apply(each: Step): void {
    const { model, contexts } = this
    const at = 'at' in each ? each.at % contexts.length : 0
    const parent = this.ctx(at)
    const why = 'named' in each && each.named ? new Error(`cause ${contexts.length}`) : undefined
    if ('busy' in each) this.block(each.busy)
    switch (each.do) {
      case 'cancel-context':
        this.addCancel(withCancel(parent), { kind: 'cancel', parent: at })
        break
      case 'timeout': {
        const node: Plain = { kind: 'timeout', parent: at, at: model.now + each.ms }
        this.addCancel(withTimeout(parent, each.ms, why), why ? { ...node, late: why } : node)
        break
      }
      case 'value': {
        const held = contexts.length
        const key = keys[each.key]
        if (key === undefined) throw new Error(`there is no key ${each.key}`)
        this.add(withValue(parent, key, held), { kind: 'value', parent: at, key: each.key, held })
        break
      }
      case 'detach':
        // In the model the context has not ended; the test cancels the contexts derived from it.
        this.add(withoutCancel(parent), { kind: 'detached', parent: at })
        break
      case 'signal': {
        const { signal } = this.controller(each.foreign)
        this.addCancel(withSignal(parent, signal), { kind: 'signal', parent: at, foreign: each.foreign })
        break
      }
      case 'cancel':
        if (this.cancels.has(at)) model.end(at, Canceled, why ?? Canceled)
        this.cancels.get(at)?.cancel(why)
        break
      case 'abort': {
        const reason = new Error('foreign')
        model.abort(each.foreign, reason)
        this.controller(each.foreign).abort(reason)
        break
      }
      case 'listen':
        if (this.listened.has(at) || model.node(at).err !== undefined) break
        this.listen(at)
        break
      case 'after': {
        const callback: Callback = { node: at, stopped: false, runs: 0, stop: () => false }
        callback.stop = afterFunc(parent, () => callback.runs++)
        this.callbacks.push(callback)
        break
      }
      case 'stop': {
        const callback = this.callbacks[each.at % this.callbacks.length]
        if (callback === undefined) break
        const prevents = !callback.stopped && model.node(callback.node).err === undefined
        expect(callback.stop()).toBe(prevents)
        callback.stopped ||= prevents
        break
      }
      case 'advance':
        model.advance(each.ms)
        vi.advanceTimersByTime(each.ms)
    }
  }

  /** Lets time pass in which no timer can run. */
  block(ms: number): void {
    if (ms === 0) return
    behind += ms
    vi.setSystemTime(Date.now() + ms)
    this.model.advance(ms)
  }

  controller(i: number): AbortController {
    const controller = this.foreign[i]
    if (controller === undefined) throw new Error(`there is no foreign signal ${i}`)
    return controller
  }

  listen(i: number): void {
    const { signal } = this.ctx(i)
    this.listened.set(i, signal)
    signal.addEventListener('abort', () => {
      this.told.push(i)
      const open = this.contexts.filter((ctx, d) => ctx.err === undefined && this.model.above(d).includes(i))
      if (open.length > 0) this.wrong.push(`${i} was told while ${open.length} below it were open`)
      if (signal.reason !== cause(this.ctx(i))) this.wrong.push(`${i} was told another reason than its cause`)
    })
  }

  /** Reads `err` of every context, parents first. */
  ask(): number {
    return this.contexts.filter((ctx) => ctx.err !== undefined).length
  }

  compare(): void {
    const { model } = this
    const live = model.nodes.filter(
      ({ kind, err }) => err === undefined && /cancel|timeout|signal/.test(kind),
    )
    this.contexts.forEach((ctx, i) => {
      const node = model.node(i)
      const deadline = model.deadline(i)
      this.same(`err of ${i}`, ctx.err, node.err)
      this.same(`cause of ${i}`, cause(ctx), node.cause)
      this.same(
        `deadline of ${i}`,
        ctx.deadline,
        deadline === undefined ? undefined : this.startedAt + deadline,
      )
      keys.forEach((key, k) => this.same(`value ${k} of ${i}`, ctx.value(key), model.value(i, k)))
    })
    for (const [i, signal] of this.listened) {
      this.same(`signal of ${i}`, signal.aborted, model.node(i).err !== undefined)
      this.same(`reason of ${i}`, signal.reason, model.node(i).cause)
    }
    for (const { node, stopped, runs } of this.callbacks) {
      this.same(`callback of ${node}`, runs, !stopped && model.node(node).err !== undefined ? 1 : 0)
    }
    this.same('contexts that live', count(liveContexts(this.ctx(0))), live.length)
    this.same('timers', timers(), live.filter(({ at }) => at !== undefined).length)
    this.foreign.forEach(({ signal }, f) => {
      const waited = live.some((node) => node.foreign === f)
      this.same(`listeners of ${f}`, getEventListeners(signal, 'abort').length, waited ? 1 : 0)
    })
    expect(this.wrong).toEqual([])
  }

  /** Notes the differences; one `expect` for each would take most of the time. */
  same(what: string, seen: unknown, wanted: unknown): void {
    if (!Object.is(seen, wanted)) this.wrong.push(`${what} is ${String(seen)}, not ${String(wanted)}`)
  }

  /** Checks that all contexts of one tree ended together, parents first. */
  compareOrder(): void {
    this.told.forEach((i, place) => {
      // A value context has the signal of the context it wraps: listeners run in the order of registration.
      const after = this.told
        .slice(place + 1)
        .filter((later) => this.ctx(later).signal !== this.ctx(i).signal)
      if (this.model.above(i).some((above) => after.includes(above)))
        this.wrong.push(`${i} was told too early`)
    })
    expect(this.wrong).toEqual([])
  }
}

/** The milliseconds by which timers lag behind the clock. */
let behind = 0

/** Timers that do not keep the process alive, such as the one with which context.ts keeps a list of Node's. */
const unreferenced = new Set<NodeJS.Timeout>()

/** The pending timers that keep a process alive. */
function timers(): number {
  expect(unreferenced.size).toBeLessThanOrEqual(1)
  return vi.getTimerCount() - unreferenced.size
}

function noteUnreferenced(): void {
  const { setTimeout: set, clearTimeout: clear } = globalThis
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(((fn: (arg: unknown) => void, ms: number, arg) => {
    const timer = set(() => {
      unreferenced.delete(timer)
      fn(arg)
    }, ms)
    const unref = timer.unref.bind(timer)
    timer.unref = () => {
      unreferenced.add(timer)
      return unref()
    }
    return timer
  }) as typeof setTimeout)
  vi.spyOn(globalThis, 'clearTimeout').mockImplementation((timer) => {
    unreferenced.delete(timer as NodeJS.Timeout)
    clear(timer)
  })
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] })
  unreferenced.clear()
  noteUnreferenced()
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + behind)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test.each([
  ['whose timers run when they are due', false],
  ['in an event loop that is often busy', true],
])(
  'any tree behaves as the model says after any sequence of steps: %s (go doc: package context)',
  async (_, isBusy) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), async (steps) => {
        // Contexts that a failed run has left.
        vi.clearAllTimers()
        unreferenced.clear()
        const pair = new Pair()
        for (const each of steps) {
          pair.apply('busy' in each && !isBusy ? { ...each, busy: 0 } : each)
          // Reading `err` shows the ends that the timers have missed.
          if (isBusy) pair.ask()
          await Promise.resolve()
          pair.compare()
          if (!isBusy && each.do !== 'advance') pair.compareOrder()
          pair.told = []
        }
        for (const ctx of pair.cancels.values()) ctx.cancel()
        expect([count(liveContexts(pair.ctx(0))), timers()]).toEqual([0, 0])
        expect(pair.foreign.flatMap(({ signal }) => getEventListeners(signal, 'abort'))).toEqual([])
      }),
      { numRuns: 100 },
    )
  },
)
