/** An entry of a List. It may be in one list at a time. */
export interface Linked<T extends Linked<T>> {
  list: List<T> | undefined
  previous: T | undefined
  next: T | undefined
}

/**
 * A linked list, such as of a context's children, in the order of `add`. Adding and deleting take constant time. In a Set, a
 * child of a long-lived parent would cost five times as much: each table that V8's Set outgrows points to the next, so all the
 * tables, and the contexts in them, live until the next major collection.
 */
export class List<T extends Linked<T>> {
  #first: T | undefined
  #last: T | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  add(entry: T): void {
    entry.list = this
    entry.previous = this.#last
    if (this.#last === undefined) this.#first = entry
    else this.#last.next = entry
    this.#last = entry
    this.#size++
  }

  /** @returns false if `entry` is not in this list */
  delete(entry: T): boolean {
    if (entry.list !== this) return false
    const { previous, next } = entry
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    unlink(entry)
    this.#size--
    return true
  }

  /** The caller may delete the entry that it has been given. */
  *[Symbol.iterator](): Generator<T> {
    for (let entry = this.#first; entry !== undefined;) {
      const { next } = entry
      yield entry
      entry = next
    }
  }

  /** Empties the list. */
  takeAll(): T[] {
    const all: T[] = []
    for (let entry = this.#first; entry !== undefined;) {
      const { next } = entry
      unlink(entry)
      all.push(entry)
      entry = next
    }
    this.#first = undefined
    this.#last = undefined
    this.#size = 0
    return all
  }
}

/** Clears the links, so that an entry that is not yet collected keeps no other alive. */
function unlink<T extends Linked<T>>(entry: T): void {
  entry.list = undefined
  entry.previous = undefined
  entry.next = undefined
}
