/** How often the length of the queue is compared with what it was. */
const sampleMs = 500
/** How long calls have to wait before that is overload, and none has to wait before it is over. */
const settledMs = 1_000
/** A wait that is expected to be shorter than this is as good as none: the event loop adds as much. */
const exactMs = 20
/**
 * How long a call may wait under overload, in times that a connection is held. Half of one leaves connections idle for a moment when
 * the load is but a tenth too much; a whole one doubles the time of every answer.
 */
const queueOfHolds = 0.75
/** The same for a caller with less than its share: one, and what rounding adds. */
const queueOfShare = 1.05
/** The weight that a call has in an average at least. */
const leastWeight = 0.1
/** How much each call that leaves the queue leaves of what is known of those before it. */
const memory = 0.98

/** What the pool has measured of itself: how long connections are held, how patient callers are, whether it is overloaded. */
export class Pressure {
  /** Of the time that finished calls held a connection, in ms; undefined before the first. */
  #hold: number | undefined
  /** The same of all calls: those whose context ended return their connection sooner. */
  #occupied = 0
  #returned = 0
  /** Of the calls that left the queue: how many gave up, and the time that all of them had waited. */
  #gaveUp = 0
  #waitedMs = 0
  #sampled = { at: 0, queued: 0 }
  /** When a call last did not have to wait, and `#occupied` at that time; undefined if nothing had been measured. */
  #idleAt = -Infinity
  #occupiedBefore: number | undefined
  /** Since when every call that came would have had to wait for longer than a connection is held. */
  #standingSince: number | undefined
  /** When a call that came would last have had to wait too long; undefined where there is no overload. */
  #overloadedAt: number | undefined

  /** A call that came did not have to wait. Those that gave up say nothing of the next queue. */
  idle(now: number): void {
    this.#standingSince = undefined
    this.#idleAt = now
    this.#occupiedBefore = this.#hold === undefined ? undefined : this.#occupied
    this.#gaveUp = 0
  }

  /** A call that finished held its connection for `ms`. */
  finished(ms: number): void {
    this.#hold = moved(this.#hold ?? ms, ms, ++this.#returned)
    this.#occupied = moved(this.#occupied, ms, this.#returned)
  }

  /**
   * A call held its connection for `ms` until its context ended. That says nothing of how long work takes, only that this
   * connection came back: a client that leaves must not make the service look slower than it is. A first call counts, though: if
   * none finishes, later calls must not wait in vain.
   */
  cutShort(ms: number): void {
    if (this.#hold === undefined) {
      this.finished(ms)
      return
    }
    this.#occupied = moved(this.#occupied, Math.min(ms, this.#hold), ++this.#returned)
  }

  /** A call has left the queue after `ms`, with a connection or because it gave up. */
  left(ms: number, gaveUp: boolean): void {
    this.#gaveUp = this.#gaveUp * memory + (gaveUp ? 1 : 0)
    this.#waitedMs = this.#waitedMs * memory + ms
  }

  /**
   * How long a call would wait, in ms, with `before` calls before it. `held` says since when each connection is held: one that is
   * held for longer than the average is expected to be held for as long again. Callers that give up leave the queue as well, at the
   * rate at which they did: the fluid limit of Erlang's A model.
   *
   * In the first second of a burst, or the first tenth of what is left of the deadline, only what was measured before counts: a
   * process that reads hundreds of requests at once notices late that a connection has come back.
   * @param leftMs until the deadline of the call; 0 leaves out the rule for bursts
   */
  expectedWait(before: number, held: Iterable<{ readonly since: number }>, now: number, leftMs = 0): number {
    const early = now - this.#idleAt < Math.min(settledMs, leftMs / 10)
    const average = early ? this.#occupiedBefore : this.#occupied
    if (this.#hold === undefined || average === undefined) return 0
    let perMs = 0
    for (const { since } of held) perMs += 1 / Math.max(average, early ? 0 : now - since, 1)
    const waitMs = (before + 1) / perMs
    const gaveUpPerMs = this.#gaveUp / Math.max(this.#waitedMs, 1)
    return gaveUpPerMs * waitMs < 0.01 ? waitMs : Math.log1p(gaveUpPerMs * waitMs) / gaveUpPerMs
  }

  /**
   * The longest wait that a call is let in for, in ms. Overload is no reason to refuse the first in line: without it the next
   * connection that comes back would be idle.
   * @param leftMs until its deadline
   * @param before how many calls have their turn before it
   * @param hasLess whether its caller has less than its share
   */
  longestWait(
    leftMs: number,
    before: number,
    hasLess: () => boolean,
  ): { ms: number; why: 'deadline' | 'overload' } {
    if (this.#hold === undefined) return { ms: Infinity, why: 'deadline' }
    const byDeadline = Math.max(leftMs / 2, exactMs)
    if (this.#overloadedAt === undefined || before === 0) return { ms: byDeadline, why: 'deadline' }
    const byOverload = (hasLess() ? queueOfShare : queueOfHolds) * this.#holdMs
    return byOverload < byDeadline ? { ms: byOverload, why: 'overload' } : { ms: byDeadline, why: 'deadline' }
  }

  /**
   * A call has come that finds `queued` calls waiting, and would wait for `waitMs` at their end. The first in line always waits
   * for the next connection. In a pool of one that is a whole hold, so it is not a sign of overload.
   */
  came(queued: number, waitMs: number, now: number): void {
    const holds = queued === 0 ? 0 : waitMs / this.#holdMs
    if (this.#overloadedAt !== undefined) {
      if (holds > 0.5) this.#overloadedAt = now
      else if (now - this.#overloadedAt > settledMs) this.#overloadedAt = undefined
      return
    }
    if (holds < 1) this.#standingSince = undefined
    else this.#standingSince ??= now
    if (now - this.#sampled.at < sampleMs) return
    const shrinking = queued < this.#sampled.queued
    this.#sampled = { at: now, queued }
    if (!shrinking && now - (this.#standingSince ?? now) >= settledMs) this.#overloadedAt = now
  }

  get #holdMs(): number {
    return Math.max(this.#hold ?? 0, 2 * exactMs)
  }
}

/** A moving average, which weighs the first values alike. */
function moved(average: number, value: number, count: number): number {
  return average + Math.max(leastWeight, 1 / count) * (value - average)
}
