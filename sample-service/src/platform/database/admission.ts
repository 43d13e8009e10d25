import { throwIfEnded, type Context } from '../../context/context.ts'
import { List, type Linked } from '../../context/list.ts'
import { until } from '../../context/until.ts'
import { Problem } from '../problem.ts'
import { waiting } from '../telemetry/recent.ts'

/** A connection's place in the pool, held by one call. */
export interface Place {
  /** Lets the next call in. A second call of this does nothing. */
  release(): void
}

/** Why a call was refused. */
export type Refusal = 'deadline' | 'overload'

/** Hears of each decision. */
export interface AdmissionObserver {
  admitted(waitedMs: number): void
  refused(why: Refusal): void
}

/** How often the length of the queue is compared with what it was. */
const sampleMs = 500
/** How long calls have to wait before that is overload, and none has to wait before it is over. */
const settledMs = 1_000
/** A wait that is expected to be shorter than this is as good as none: the event loop adds as much. */
const exactMs = 20
/** The weight that a call has in the average at least. */
const leastWeight = 0.1

interface Held {
  readonly since: number
}

interface Waiting extends Linked<Waiting> {
  readonly since: number
  readonly enter: () => void
}

/**
 * Lets at most `max` calls have a connection, in the order in which they came. A call that would wait too long is refused at
 * once, while its caller can still go elsewhere:
 *
 * - by its deadline: it would wait for more than half of the time that is left, and be served only to time out;
 * - by overload: calls have had to wait for a second and the queue does not shrink. Then a call waits for at most half of the
 *   time that a connection is held. A longer queue would make every call slow, and serve none more. A burst is no overload,
 *   because its queue shrinks; nor is a start, before the first connection has come back.
 *
 * A queue without refusals serves, under overload, those that are about to give up: at three times the load, nobody in time
 * (create-mainstem, docs/decisions/0034). After CoDel (Nichols and Jacobson, ACM Queue 2012; Maurer, Fail at Scale, ACM
 * Queue 2015), which refuses at the head of the queue what is refused at its end here.
 */
export class Admission {
  readonly #max: number
  readonly #observer: AdmissionObserver
  readonly #held = new Set<Held>()
  readonly #queue = new List<Waiting>()
  #queued = 0
  #lastReturn = performance.now()
  /** Of the time that a connection is held, in ms; undefined before the first has come back. */
  #average: number | undefined
  #returned = 0
  #sampled = { at: 0, queued: 0 }
  /** Since when every call that came would have had to wait for longer than a connection is held. */
  #standingSince: number | undefined
  /** When a call that came would last have had to wait too long; undefined where there is no overload. */
  #overloadedAt: number | undefined

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
    return this.#queued
  }

  /**
   * Waits for a place.
   * @param averaged whether the time that it is held says how long others will be held
   * @throws a 503 Problem at once if none will be free in time, the cause of ctx when it ends first
   */
  async enter(ctx: Context, averaged = true): Promise<Place> {
    throwIfEnded(ctx)
    if (!this.full()) {
      this.#standingSince = undefined
      this.#observer.admitted(0)
      return this.#hold(averaged)
    }
    const now = performance.now()
    const waitMs = this.#expectedWait(now)
    const refusal = this.#refusal(ctx, waitMs, now)
    if (refusal !== undefined) {
      this.#observer.refused(refusal)
      throw busy(waitMs, now - this.#lastReturn)
    }
    return this.#waitInLine(ctx, averaged)
  }

  async #waitInLine(ctx: Context, averaged: boolean): Promise<Place> {
    let entry: Waiting | undefined
    let given: Place | undefined
    const turn = new Promise<Place>((resolve) => {
      const enter = (): void => resolve((given = this.#hold(averaged)))
      entry = { since: performance.now(), enter, list: undefined, previous: undefined, next: undefined }
      this.#queue.add(entry)
      this.#queued++
    })
    try {
      return await waiting(ctx, 'pool', () => until(ctx, turn))
    } catch (error) {
      if (entry !== undefined && this.#queue.delete(entry)) this.#queued--
      // Its turn came in the moment in which its context ended.
      given?.release()
      throw error
    }
  }

  #hold(averaged: boolean): Place {
    const held: Held = { since: performance.now() }
    this.#held.add(held)
    return {
      release: () => {
        if (!this.#held.delete(held)) return
        this.#lastReturn = performance.now()
        if (averaged) this.#note(performance.now() - held.since)
        this.#letIn()
      },
    }
  }

  /** Keeps a moving average, which weighs the first calls alike. */
  #note(heldMs: number): void {
    this.#returned++
    const before = this.#average ?? heldMs
    this.#average = before + Math.max(leastWeight, 1 / this.#returned) * (heldMs - before)
  }

  #letIn(): void {
    for (const waiting of this.#queue) {
      if (this.full()) return
      this.#queue.delete(waiting)
      this.#queued--
      this.#observer.admitted(performance.now() - waiting.since)
      waiting.enter()
    }
  }

  /**
   * How long a call that comes now would wait, in ms: the calls before it and itself, by the rate at which places become free.
   * A place that is held for longer than the average is expected to be held for as long again.
   */
  #expectedWait(now: number): number {
    if (this.#average === undefined) return 0
    let perMs = 0
    for (const { since } of this.#held) perMs += 1 / Math.max(this.#average, now - since, 1)
    return (this.#queued + 1) / perMs
  }

  #refusal(ctx: Context, waitMs: number, now: number): Refusal | undefined {
    if (this.#average === undefined || waitMs < exactMs) return undefined
    const holdMs = Math.max(this.#average, 2 * exactMs)
    if (this.#overloaded(waitMs / holdMs, now)) return waitMs > holdMs / 2 ? 'overload' : undefined
    const leftMs = (ctx.deadline ?? Infinity) - Date.now()
    return waitMs > leftMs / 2 ? 'deadline' : undefined
  }

  /** @param holds how many times as long as a connection is held a call would wait */
  #overloaded(holds: number, now: number): boolean {
    if (this.#overloadedAt !== undefined) {
      if (holds > 0.5) this.#overloadedAt = now
      else if (now - this.#overloadedAt > settledMs) this.#overloadedAt = undefined
      return this.#overloadedAt !== undefined
    }
    if (holds < 1) this.#standingSince = undefined
    else this.#standingSince ??= now
    if (now - this.#sampled.at < sampleMs) return false
    const shrinking = this.#queued < this.#sampled.queued
    this.#sampled = { at: now, queued: this.#queued }
    if (!shrinking && now - (this.#standingSince ?? now) >= settledMs) this.#overloadedAt = now
    return this.#overloadedAt !== undefined
  }
}

/** The clients that were refused come back at different times. */
function busy(waitMs: number, silentMs: number): Problem {
  const seconds = Math.ceil(waitMs / 1_000) + Math.floor(Math.random() * 3)
  // Slow statements, or a database that does not answer: /readyz finds out.
  const silent = silentMs > 1_000 ? `, and none was returned for ${Math.floor(silentMs / 1_000)} s` : ''
  const detail = `the service is busy: no connection of its pool would be free in time${silent}`
  return new Problem(503, 'Service Unavailable', detail, { headers: { 'retry-after': String(seconds) } })
}
