/** A call that waits. */
export interface Queued {
  readonly caller: string
  /** Milliseconds of performance.now(). */
  readonly since: number
  /** Gives the call its place. */
  readonly enter: () => void
}

/**
 * A queue of calls whose callers take turns. A caller with many calls delays mostly its own: at most one of them goes before
 * each call of another caller. The calls of one caller keep their order.
 */
export class Turns {
  /** The calls of each caller; the first is the one whose turn it is. */
  readonly #lines = new Map<string, Set<Queued>>()
  #length = 0

  get length(): number {
    return this.#length
  }

  /** How many callers have calls that wait. */
  get callers(): number {
    return this.#lines.size
  }

  /** How many calls of `caller` wait. */
  of(caller: string): number {
    return this.#lines.get(caller)?.size ?? 0
  }

  add(call: Queued): void {
    let line = this.#lines.get(call.caller)
    if (line === undefined) this.#lines.set(call.caller, (line = new Set()))
    line.add(call)
    this.#length++
  }

  /** @returns false if `call` does not wait */
  delete(call: Queued): boolean {
    const line = this.#lines.get(call.caller)
    if (line?.delete(call) !== true) return false
    this.#length--
    if (line.size === 0) this.#lines.delete(call.caller)
    return true
  }

  /** Removes the call whose turn it is, and returns it. */
  next(): Queued | undefined {
    for (const [caller, line] of this.#lines) {
      for (const call of line) {
        this.delete(call)
        if (line.size > 0 && this.#lines.size > 1) {
          this.#lines.delete(caller)
          this.#lines.set(caller, line)
        }
        return call
      }
    }
    return undefined
  }

  /** How many calls would have their turn before one that `caller` adds now. */
  before(caller: string): number {
    const own = this.of(caller)
    // Each of the others has one turn before the first call of a new caller.
    if (own === 0) return this.#lines.size
    let before = own
    // By the turn of the new call, each caller that precedes this one has had one turn more than those that follow it.
    let turns = own + 1
    for (const [other, { size }] of this.#lines) {
      if (other === caller) turns = own
      else before += Math.min(size, turns)
    }
    return before
  }
}
