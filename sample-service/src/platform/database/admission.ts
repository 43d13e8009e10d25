import { remainingMs, throwIfEnded, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { Problem } from '../problem.ts'
import { callerOf } from '../request.ts'
import { waiting } from '../telemetry/recent.ts'
import { Pressure } from './pressure.ts'
import { Turns, type Queued } from './turns.ts'

/** A connection's place in the pool, held by one call. */
export interface Place {
  /**
   * The call has its connection: how long it took to open says nothing about the calls that find one open. Only the place at the
   * pool's own gate hears of it: a transaction holds its other place also while it waits at that gate.
   */
  connected(): void
  /**
   * Lets the next call in. A second call of this does nothing.
   * @param ctx of the call: if it has ended, it cut the call short
   * @param worked false if the call did not get a connection: how long it held the place says nothing about those that do
   */
  release(ctx: Context, worked?: boolean): void
}

/** Hears of each decision. */
export interface AdmissionObserver {
  admitted(waitedMs: number): void
  refused(why: 'deadline' | 'overload'): void
}

interface Held {
  readonly caller: string
  since: number
}

/**
 * Lets at most `max` calls have a connection. Callers take turns; the calls of one caller keep their order. A call that would
 * wait too long is refused at once, while its caller can still go elsewhere:
 *
 * - by its deadline: it would wait for more than half of the time that is left, and be served only to time out;
 * - by overload: calls have had to wait for a second and the queue does not shrink; that of a burst does. Then a call waits for at
 *   most three quarters of the time that a connection is held: a longer queue would make every call slow, and serve none more. A
 *   caller that has less of the pool than its share may wait for all of that time, so that others' calls do not shut it out.
 *
 * The reasons are in create-mainstem's docs/decisions/0034, 0038 and 0068. After CoDel (Nichols and Jacobson, ACM Queue 2012;
 * Maurer, Fail at Scale, ACM Queue 2015), which refuses at the head of the queue what is refused at its end here.
 */
export class Admission {
  readonly #max: number
  readonly #observer: AdmissionObserver
  readonly #held = new Set<Held>()
  readonly #queue = new Turns()
  readonly #pressure = new Pressure()
  #lastReturn = performance.now()

  constructor(max: number, observer: AdmissionObserver) {
    this.#max = max
    this.#observer = observer
  }

  /** Whether all places are taken. */
  full(): boolean {
    return this.#held.size >= this.#max
  }

  /** Calls that wait for a place. */
  get waiting(): number {
    return this.#queue.length
  }

  /**
   * Waits for a place.
   * @param averaged whether the time that it is held says how long others will be held
   * @throws a 503 Problem at once if none will be free in time, the cause of ctx when it ends first
   */
  async enter(ctx: Context, averaged = true): Promise<Place> {
    throwIfEnded(ctx)
    const caller = callerOf(ctx)
    const now = performance.now()
    if (!this.full()) {
      this.#pressure.idle(now)
      this.#observer.admitted(0)
      return this.#hold(caller, averaged)
    }
    const leftMs = remainingMs(ctx)
    this.#pressure.came(this.waiting, this.#pressure.expectedWait(this.waiting, this.#held, now), now)
    const before = this.#queue.before(caller)
    const waitMs = this.#pressure.expectedWait(before, this.#held, now, leftMs)
    const longest = this.#pressure.longestWait(leftMs, before, () => this.#hasLess(caller))
    if (waitMs > longest.ms) {
      this.#observer.refused(longest.why)
      throw busy(waitMs, now - this.#lastReturn)
    }
    return this.#waitInLine(ctx, caller, averaged)
  }

  async #waitInLine(ctx: Context, caller: string, averaged: boolean): Promise<Place> {
    const since = performance.now()
    let call: Queued | undefined
    let given: Place | undefined
    const turn = new Promise<Place>((resolve) => {
      const enter = (): void => resolve((given = this.#hold(caller, averaged)))
      call = { caller, since, enter }
      this.#queue.add(call)
    })
    try {
      return await waiting(ctx, 'pool', () => until(ctx, turn))
    } catch (error) {
      if (call !== undefined && this.#queue.delete(call)) this.#pressure.left(performance.now() - since, true)
      // Its turn came in the moment in which its context ended.
      given?.release(ctx, false)
      throw error
    }
  }

  /** Whether with one call more `caller` would still have less than its share of all that are held or wait. */
  #hasLess(caller: string): boolean {
    let own = 1 + this.#queue.of(caller)
    const notWaiting = new Set(own === 1 ? [caller] : [])
    for (const held of this.#held) {
      if (this.#queue.of(held.caller) === 0) notWaiting.add(held.caller)
      if (held.caller === caller) own++
    }
    return own * (this.#queue.callers + notWaiting.size) < this.#held.size + this.waiting + 1
  }

  #hold(caller: string, averaged: boolean): Place {
    const held: Held = { caller, since: performance.now() }
    this.#held.add(held)
    return {
      connected: () => {
        held.since = performance.now()
      },
      release: (ctx, worked = true) => {
        if (!this.#held.delete(held)) return
        const now = performance.now()
        if (worked) this.#lastReturn = now
        if (averaged && worked) {
          if (ctx.err === undefined) this.#pressure.finished(now - held.since)
          else this.#pressure.cutShort(now - held.since)
        }
        this.#letIn(now)
      },
    }
  }

  #letIn(now: number): void {
    while (!this.full()) {
      const call = this.#queue.next()
      if (call === undefined) return
      const waitedMs = now - call.since
      this.#pressure.left(waitedMs, false)
      this.#observer.admitted(waitedMs)
      call.enter()
    }
  }
}

/**
 * The longest wait that `Retry-After` tells. A longer one is only what the pool expects now: calls that give up, or a database that
 * answers again, end it at any moment, and a client that was sent away for minutes would not notice. To refuse it costs little.
 */
const longestToldMs = 30_000

/** The clients that were refused come back at different times. */
function busy(waitMs: number, silentMs: number): Problem {
  const seconds = Math.ceil(Math.min(waitMs, longestToldMs) / 1_000) + Math.floor(Math.random() * 3)
  // Slow statements, or a database that does not answer: /readyz finds out.
  const silent = silentMs > 1_000 ? `, and none was returned for ${Math.floor(silentMs / 1_000)} s` : ''
  const detail = `the service is busy: no connection of its pool would be free in time${silent}`
  return new Problem(503, 'Service Unavailable', detail, { headers: { 'retry-after': String(seconds) } })
}
