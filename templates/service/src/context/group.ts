import { cause, withCancel, type CancelContext, type Context } from './context.ts'
import { NotWaitedFor } from './not-waited-for.ts'
import { errorOf, placeOf } from './thrown.ts'

/** Only `group` makes one. */
export type { Group }

type GroupFunction = (ctx: Context) => Promise<void>

/**
 * Makes a group whose first failure cancels the rest: `using workers = group(ctx)`. Leaving the block cancels the work
 * that still runs. The group throws if its block is left before `wait` has settled, since its work and its failures
 * would be lost; the error names the place where the group was made. It does not throw if an exception leaves the
 * block, or if `ctx` has ended.
 * @param options.limit how many run at once; unlimited by default
 */
export function group(ctx: Context, options: { limit?: number } = {}): Group {
  const { limit = Infinity } = options
  if (!(limit >= 1)) throw new RangeError(`group: expected a limit of at least 1, got ${limit}`)
  const made: { stack?: string } = {}
  Error.captureStackTrace(made, group)
  return new Group(ctx, limit, made)
}

/** Concurrent work under one context. Go: golang.org/x/sync/errgroup. */
class Group implements Disposable {
  readonly #parent: Context
  readonly #ctx: CancelContext
  readonly #limit: number
  readonly #made: { stack?: string }
  readonly #queue: GroupFunction[] = []
  #running = 0
  #failure: Error | undefined
  #state: 'new' | 'started' | 'over' = 'new'
  #settling: Promise<void> | undefined
  /** Called when nothing runs any more. */
  readonly #onIdle: (() => void)[] = []

  constructor(parent: Context, limit: number, made: { stack?: string }) {
    this.#parent = parent
    this.#ctx = withCancel(parent)
    this.#limit = limit
    this.#made = made
  }

  /**
   * Starts `fn` with the group's context, or queues it while `limit` are running. Nothing starts after a failure.
   * @throws Error if `wait` has settled, or the group's block was left
   */
  go(fn: GroupFunction): void {
    if (this.#state === 'over') {
      throw new Error(
        `go: the group made ${placeOf(this.#made)} is over. Call go before wait has settled, or make a new group.`,
      )
    }
    this.#state = 'started'
    this.#queue.push(fn)
    this.#startNext()
  }

  /**
   * Settles when all work has returned, and ends the group's context. Rejects with the first failure, or with the cause
   * of the group's parent if its end kept queued work from starting.
   */
  wait(): Promise<void> {
    this.#settling = this.#settle()
    return this.#settling
  }

  [Symbol.dispose](): void {
    const lost = this.#state === 'started' && this.#parent.err === undefined
    // wait may still reject when the work has returned, and nobody awaits it any more.
    if (this.#state === 'started') this.#settling?.catch(() => undefined)
    this.#state = 'over'
    this.#ctx.cancel()
    if (lost) throw new NotWaitedFor(placeOf(this.#made), this.#failure)
  }

  #startNext(): void {
    if (this.#queue.length > 0 && this.#ctx.err !== undefined) {
      this.#fail(cause(this.#ctx))
      this.#queue.length = 0
    }
    while (this.#running < this.#limit) {
      const fn = this.#queue.shift()
      if (fn === undefined) break
      this.#running++
      // eslint-disable-next-line context/no-unowned-work, @typescript-eslint/no-floating-promises -- wait waits for it: #call keeps what fn threw, and does not reject
      void this.#call(fn)
    }
    if (this.#running === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  async #call(fn: GroupFunction): Promise<void> {
    try {
      await fn(this.#ctx)
    } catch (reason) {
      this.#fail(reason)
    } finally {
      this.#running--
      this.#startNext()
    }
  }

  #fail(reason: unknown): void {
    this.#failure ??= errorOf(reason)
    this.#ctx.cancel(this.#failure)
  }

  async #settle(): Promise<void> {
    while (this.#running > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
    this.#state = 'over'
    this.#ctx.cancel()
    if (this.#failure !== undefined) throw this.#failure
  }
}
