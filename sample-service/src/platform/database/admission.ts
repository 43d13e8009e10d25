import { remainingMs, throwIfEnded, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { Problem } from '../problem.ts'
import { callerOf } from '../request.ts'
import { observeAdmission } from '../telemetry/database-metrics.ts'
import { waiting } from '../telemetry/recent.ts'
import { Pressure } from './pressure.ts'
import { Turns, type Queued } from './turns.ts'

/** A connection's place in the pool, held by one call. */
export interface Place {
  /**
   * Tells the place that its call has a connection, and waited `openedMs` for it to open. The place leaves that time out, because
   * it says nothing about calls that find a connection open. It keeps the time that a transaction waits at the pool's own gate.
   */
  connected(openedMs: number): void
  /**
   * Gives up the place, and lets the next call in. A second release does nothing.
   * @param ctx of the call: if it has ended, it cut the call short
   * @param worked false if the call got no connection: the time that it held the place is then left out of the averages
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
 * - by deadline, a call that would wait for more than half of its time left: it would be served only to time out;
 * - by overload, which is when calls have had to wait for a second and the queue does not shrink, as a burst's would. A call
 *   then waits for at most three quarters of the time that a connection is held: a longer queue would slow every call and
 *   serve no more of them. A caller with less than its share of the pool may wait for all of that time, so that others do
 *   not shut it out.
 *
 * The reasons are in create-mainstem's docs/decisions/0034, 0038 and 0068. It follows CoDel (Nichols and Jacobson, ACM Queue
 * 2012; Maurer, Fail at Scale, ACM Queue 2015), but refuses calls as they come; CoDel drops those at the head of the queue.
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
   * @param averaged whether the averages count the time that the place is held
   * @throws a 503 Problem at once if no place will be free in time, the cause of ctx when it ends first
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
      // The call got its place just as its context ended.
      given?.release(ctx, false)
      throw error
    }
  }

  /** Whether `caller`, with one more call, would still have less than its share of the calls that hold a place or wait. */
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
      connected: (openedMs) => {
        held.since += openedMs
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
 * The longest wait that `Retry-After` states. A longer one may end at any moment, when calls give up or the database answers
 * again: a client that was told minutes would not notice, and to refuse one that comes early costs little.
 */
const longestToldMs = 30_000

/** Returns the refusal. Its Retry-After is partly random, so that refused clients do not all come back at once. */
function busy(waitMs: number, silentMs: number): Problem {
  const seconds = Math.ceil(Math.min(waitMs, longestToldMs) / 1_000) + Math.floor(Math.random() * 3)
  // Either statements are slow, or the database does not answer: /readyz tells which.
  const silent = silentMs > 1_000 ? `, and none was returned for ${Math.floor(silentMs / 1_000)} s` : ''
  const detail = `the service is busy: no connection of its pool would be free in time${silent}`
  return new Problem(503, 'Service Unavailable', detail, { headers: { 'retry-after': String(seconds) } })
}

/** What calls pass on their way to a connection. */
export type Gates = ReturnType<typeof openGates>

/** @param max how many connections the pool has; below three, transactions may have them all */
export function openGates(max: number) {
  const observer = observeAdmission()
  // A call passes up to two gates, and the metrics must count it once.
  const before: AdmissionObserver = {
    ...observer,
    admitted: (waitedMs) => {
      if (waitedMs > 0) observer.admitted(waitedMs)
    },
  }
  return {
    /** Every call passes this one, last. */
    pool: new Admission(max, observer),
    /**
     * A transaction lasts as long as what its body waits for, which may be another service. Transactions and streams together
     * leave a fifth of the pool, at least one connection, to db.run. Without it, a body that calls db.run would wait for the
     * connection that it holds itself.
     */
    transactions: new Admission(max < 3 ? max : Math.floor((max * 4) / 5), before),
    /** A stream may last for minutes: half of the pool stays for calls that do not. */
    streams: new Admission(Math.ceil(max / 2), before),
  }
}
