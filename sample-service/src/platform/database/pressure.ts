/** How often the length of the queue is compared with what it was. */
const sampleMs = 500
/** Overload begins once calls have had to wait for this long, and ends once none has had to for as long. */
const settledMs = 1_000
/** A wait that is expected to be shorter than this is as good as none: the event loop adds as much. */
const exactMs = 20
/**
 * How long a call may wait under overload, as a multiple of the time that a connection is held. With 0.5, connections are
 * idle for a moment when the load is only a tenth too much; with 1, every answer takes twice as long.
 */
const queueOfHolds = 0.75
/** The same for a caller with less than its share: 1, and a margin for rounding. */
const queueOfShare = 1.05
/** The least weight of one call in an average. */
const leastWeight = 0.1
/** What the counts of earlier calls are multiplied by when a call leaves the queue. */
const memory = 0.98

/** What the pool has measured of itself: how long connections are held, how patient callers are, whether it is overloaded. */
export class Pressure {
  /** How long finished calls held a connection, on average, in ms; undefined before the first. */
  #hold: number | undefined
  /** The same for all calls, including those whose context ended: they return their connection sooner. */
  #occupied: number | undefined
  #returned = 0
  /** When a call last did not have to wait. */
  #idleAt = -Infinity
  /** `#occupied` at that time. */
  #occupiedBefore: number | undefined
  /** How many of the calls that left the queue gave up; older ones count less. */
  #gaveUp = 0
  /** How long all of these calls had waited; older ones count less. */
  #waitedMs = 0
  readonly #overload = new Overload()

  /** Notes that a call finished, and held its connection for `ms`. */
  finished(ms: number): void {
    this.#hold = moved(this.#hold, ms, ++this.#returned)
    this.#occupied = moved(this.#occupied, ms, this.#returned)
  }

  /**
   * Notes that a call held its connection for `ms` until its context ended. That tells when a connection came back, not how long
   * work takes: a client that leaves must not make the service look slower than it is. The very first call counts as finished, so
   * that later calls do not wait in vain if none ever finishes.
   */
  cutShort(ms: number): void {
    if (this.#hold === undefined) this.finished(ms)
    else this.#occupied = moved(this.#occupied, Math.min(ms, this.#hold), ++this.#returned)
  }

  /** Notes that a call did not have to wait. Forgets how many calls gave up: that says nothing of the next queue. */
  idle(now: number): void {
    this.#idleAt = now
    this.#occupiedBefore = this.#occupied
    this.#gaveUp = 0
    this.#overload.idle()
  }

  /** As Overload's, with the wait in ms. */
  came(queued: number, waitMs: number, now: number): void {
    this.#overload.came(queued, waitMs / this.#holdMs, now)
  }

  /** Notes that a call left the queue after `ms`, with a connection or because it gave up. */
  left(ms: number, gaveUp: boolean): void {
    this.#gaveUp = this.#gaveUp * memory + (gaveUp ? 1 : 0)
    this.#waitedMs = this.#waitedMs * memory + ms
  }

  /**
   * Returns how long a call would wait, in ms, behind `before` calls. `held` says since when each connection has been held: one
   * that is held for longer than the average is expected to be held for as long again. It expects callers to give up as often as
   * they have so far, which shortens the queue too: the fluid limit of Erlang's A model.
   *
   * In the first second of a burst, or the first tenth of the time left to the deadline, it uses only what was measured before: a
   * process that reads hundreds of requests at once notices late that a connection has come back.
   * @param leftMs until the deadline of the call; 0 leaves out the rule for bursts
   */
  expectedWait(before: number, held: Iterable<{ readonly since: number }>, now: number, leftMs = 0): number {
    const early = now - this.#idleAt < Math.min(settledMs, leftMs / 10)
    const average = early ? this.#occupiedBefore : this.#occupied
    if (average === undefined) return 0
    let perMs = 0
    for (const { since } of held) perMs += 1 / Math.max(average, early ? 0 : now - since, 1)
    const waitMs = (before + 1) / perMs
    const gaveUpPerMs = this.#gaveUp / Math.max(this.#waitedMs, 1)
    return gaveUpPerMs * waitMs < 0.01 ? waitMs : Math.log1p(gaveUpPerMs * waitMs) / gaveUpPerMs
  }

  /**
   * Returns the longest wait, in ms, for which a call is let in. Overload never refuses the first in line: without that call the
   * next connection that comes back would be idle.
   * @param leftMs until its deadline
   * @param before how many calls have their turn before it
   * @param hasLess whether its caller has less than its share
   */
  longestWait(
    leftMs: number,
    before: number,
    hasLess: () => boolean,
  ): { ms: number; why: 'deadline' | 'overload' } {
    const byDeadline = this.#hold === undefined ? Infinity : Math.max(leftMs / 2, exactMs)
    const byOverload =
      this.#overload.on && before > 0 ? (hasLess() ? queueOfShare : queueOfHolds) * this.#holdMs : Infinity
    return byOverload < byDeadline ? { ms: byOverload, why: 'overload' } : { ms: byDeadline, why: 'deadline' }
  }

  get #holdMs(): number {
    return Math.max(this.#hold ?? 0, 2 * exactMs)
  }
}

/** Whether calls have had to wait for too long, in a queue that does not shrink. */
class Overload {
  /** Since when each call has had to expect a wait of at least one hold; undefined if the last did not. */
  #standingSince: number | undefined
  #sampled = { at: 0, queued: 0 }
  /** When a call last had to expect too long a wait; undefined without overload. */
  #lastAt: number | undefined

  get on(): boolean {
    return this.#lastAt !== undefined
  }

  idle(): void {
    this.#standingSince = undefined
  }

  /**
   * Notes that a call came, found `queued` calls waiting, and would wait for `holds` holds. The wait of the first in line counts
   * as none. That call waits for the next connection, in a pool of one for a whole hold.
   */
  came(queued: number, holds: number, now: number): void {
    const waits = queued === 0 ? 0 : holds
    if (this.#lastAt !== undefined) {
      if (waits > 0.5) this.#lastAt = now
      else if (now - this.#lastAt > settledMs) this.#lastAt = undefined
      return
    }
    this.#standingSince = waits < 1 ? undefined : (this.#standingSince ?? now)
    if (now - this.#sampled.at < sampleMs) return
    const shrinks = queued < this.#sampled.queued
    this.#sampled = { at: now, queued }
    if (!shrinks && now - (this.#standingSince ?? now) >= settledMs) this.#lastAt = now
  }
}

/** Returns a moving average that weighs the first values alike; `average` is undefined before the first. */
function moved(average: number | undefined, value: number, count: number): number {
  return average === undefined ? value : average + Math.max(leastWeight, 1 / count) * (value - average)
}
