import { throwIfEnded, type Context } from '../../context/context.ts'
import { List, type Linked } from '../../context/list.ts'
import { until } from '../../context/until.ts'
import { Problem } from '../problem.ts'

/** A connection's place in the pool, held by one call. */
export interface Place {
  /** Lets the next call in. A second call of this does nothing. */
  release(): void
}

/** Why a call was not let in. */
export type Refusal = 'deadline' | 'overload'

/** What is heard of each decision. */
export interface AdmissionObserver {
  admitted(waitedMs: number): void
  refused(why: Refusal): void
}

/** How often the queue is compared with what it was, and how long no refusal is due before overload is over. */
const sampleMs = 500
const calmMs = 1_000

/** Under overload a call waits for half of what a connection is held on average, but never less than this much. */
const shortestHoldMs = 40

/** The weight of one call in the average. */
const weight = 0.1

interface Held {
  readonly since: number
}

interface Waiting extends Linked<Waiting> {
  readonly since: number
  readonly enter: (place: Place) => void
}

/**
 * Lets at most `max` calls have a connection, in the order in which they came. A call that would have to wait too long is
 * refused at once, and the caller can go elsewhere:
 *
 * - longer than half of what is left before its deadline: it would be served only to time out (`deadline`);
 * - longer than half of the time that a connection is held, while the queue grows: more is asked for than can be done, and a
 *   long queue would make each call slow without one more being served (`overload`). A burst is no overload: its queue shrinks.
 *
 * First in, first out without the refusals serves those that are about to give up: with three times the load it served nobody
 * (docs/decisions/0040 in create-mainstem). The queue is controlled as by CoDel (Nichols and Jacobson, ACM Queue 2012; Maurer,
 * Fail at Scale, 2015), but refuses at the door what CoDel drops at the head.
 */
export class Admission {
  readonly #max: number
  readonly #observer: AdmissionObserver
  readonly #held = new Set<Held>()
  readonly #queue = new List<Waiting>()
  #queued = 0
  /** Of the time that a connection is held, in ms; undefined before the first has come back. */
  #average: number | undefined
  #sampled = { at: 0, queued: 0 }
  /** Since when each call that came had to wait for longer than a connection is held. */
  #standingSince: number | undefined
  /** When a call was last refused, or would have had to be: undefined where there is no overload. */
  #overloadedAt: number | undefined

  constructor(max: number, observer: AdmissionObserver) {
    this.#max = max
    this.#observer = observer
  }

  /** Whether all places are taken. */
  get full(): boolean {
    return this.#held.size >= this.#max
  }

  /** Calls that wait for a place. */
  get waiting(): number {
    return this.#queued
  }

  /**
   * Waits for a place. @throws a 503 Problem at once if none will be free in time, the cause of ctx when it ends first
   */
  async enter(ctx: Context): Promise<Place> {
    throwIfEnded(ctx)
    if (!this.full) {
      this.#standingSince = undefined
      this.#observer.admitted(0)
      return this.#hold()
    }
    const now = performance.now()
    const waitMs = this.#expectedWait(now)
    const refusal = this.#refusal(ctx, waitMs, now)
    if (refusal !== undefined) {
      this.#observer.refused(refusal)
      throw busy(waitMs)
    }
    return this.#waitInLine(ctx, now)
  }

  async #waitInLine(ctx: Context, now: number): Promise<Place> {
    let entry: Waiting | undefined
    let given: Place | undefined
    const turn = new Promise<Place>((resolve) => {
      const enter = (place: Place): void => resolve((given = place))
      entry = { since: now, enter, list: undefined, previous: undefined, next: undefined }
      this.#queue.add(entry)
      this.#queued++
    })
    try {
      return await until(ctx, turn)
    } catch (error) {
      if (entry !== undefined && this.#queue.delete(entry)) this.#queued--
      // Its turn came in the moment in which its context ended.
      given?.release()
      throw error
    }
  }

  #hold(): Place {
    const held: Held = { since: performance.now() }
    this.#held.add(held)
    return {
      release: () => {
        if (!this.#held.delete(held)) return
        const ms = performance.now() - held.since
        this.#average = this.#average === undefined ? ms : this.#average + weight * (ms - this.#average)
        this.#letIn()
      },
    }
  }

  #letIn(): void {
    for (const waiting of this.#queue) {
      if (this.full) return
      this.#queue.delete(waiting)
      this.#queued--
      this.#observer.admitted(performance.now() - waiting.since)
      waiting.enter(this.#hold())
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
    if (this.#average === undefined) return undefined
    const holdMs = Math.max(this.#average, shortestHoldMs)
    if (this.#overloaded(waitMs / holdMs, now)) return waitMs > holdMs / 2 ? 'overload' : undefined
    const leftMs = (ctx.deadline ?? Infinity) - Date.now()
    return waitMs > leftMs / 2 ? 'deadline' : undefined
  }

  /** @param holds how many times as long as a connection is held a call would wait */
  #overloaded(holds: number, now: number): boolean {
    if (this.#overloadedAt !== undefined) {
      if (holds > 0.5) this.#overloadedAt = now
      else if (now - this.#overloadedAt > calmMs) this.#overloadedAt = undefined
      return this.#overloadedAt !== undefined
    }
    if (holds < 1) this.#standingSince = undefined
    else this.#standingSince ??= now
    if (now - this.#sampled.at < sampleMs) return false
    const shrinking = this.#queued < this.#sampled.queued
    this.#sampled = { at: now, queued: this.#queued }
    if (!shrinking && now - (this.#standingSince ?? now) >= calmMs) this.#overloadedAt = now
    return this.#overloadedAt !== undefined
  }
}

/** The clients that were refused come back at different times. */
function busy(waitMs: number): Problem {
  const seconds = Math.ceil(waitMs / 1_000) + Math.floor(Math.random() * 3)
  return new Problem(503, 'Service Unavailable', 'the service has more to do than it can; try again later', {
    headers: { 'retry-after': String(seconds) },
  })
}
