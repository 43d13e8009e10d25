import { cause, withCancel, type Context } from './context.ts'

/** Concurrent work under one context that is waited for as one. Go: golang.org/x/sync/errgroup. */
export interface Group extends Disposable {
  /** Starts `fn` with the group's context, or queues it while `limit` are running. Nothing starts after a failure. */
  go(fn: (ctx: Context) => Promise<void>): void
  /**
   * Resolves when all work has returned. Rejects, also only then, with the first failure, or with the cause of the
   * parent if its end kept queued work from starting. Ends the group's context.
   */
  wait(): Promise<void>
}

/**
 * A group whose first failure cancels the rest. `using` cancels what was not waited for.
 * @param options.limit how many run at once; unlimited if not given
 */
export function group(parent: Context, options: { limit?: number } = {}): Group {
  const { limit = Infinity } = options
  if (!(limit >= 1)) throw new RangeError(`group: expected a limit of at least 1, got ${limit}`)

  const ctx = withCancel(parent)
  const queue: ((ctx: Context) => Promise<void>)[] = []
  let running = 0
  let failure: Error | undefined
  const waiting: (() => void)[] = []

  function fail(reason: unknown): void {
    failure ??= reason instanceof Error ? reason : new Error(String(reason), { cause: reason })
    ctx.cancel(failure)
  }

  async function run(fn: (ctx: Context) => Promise<void>): Promise<void> {
    try {
      await fn(ctx)
    } catch (reason) {
      fail(reason)
    } finally {
      running--
      next()
    }
  }

  function next(): void {
    if (queue.length > 0 && ctx.err !== undefined) {
      fail(cause(ctx))
      queue.length = 0
    }
    while (running < limit) {
      const fn = queue.shift()
      if (fn === undefined) break
      running++
      // eslint-disable-next-line context/no-unowned-work, @typescript-eslint/no-floating-promises -- wait waits for it: run keeps what fn threw, and does not reject
      void run(fn)
    }
    if (running === 0) for (const resume of waiting.splice(0)) resume()
  }

  return {
    go(fn) {
      queue.push(fn)
      next()
    },
    async wait() {
      while (running > 0) await new Promise<void>((resume) => waiting.push(resume))
      ctx.cancel()
      if (failure !== undefined) throw failure
    },
    [Symbol.dispose]() {
      ctx.cancel()
    },
  }
}
