import { cause, withCancel, type Context } from './context.ts'
import { NotWaitedFor } from './not-waited-for.ts'
import { errorOf } from './thrown.ts'

/** Concurrent work under one context that is waited for as one. Go: golang.org/x/sync/errgroup. */
export interface Group extends Disposable {
  /**
   * Starts `fn` with the group's context, or queues it while `limit` are running. Nothing starts after a failure.
   * @throws Error if the group was waited for to its end, or left
   */
  go(fn: (ctx: Context) => Promise<void>): void
  /**
   * Resolves when all work has returned. Rejects, also only then, with the first failure, or with the cause of the
   * parent if its end kept queued work from starting. Ends the group's context.
   */
  wait(): Promise<void>
}

/**
 * A group whose first failure cancels the rest: `using workers = group(ctx)`. Leaving the block cancels what still runs.
 * If the block is left before `wait` has settled, and neither by an exception nor after the end of `parent`, that is an
 * error which names the place where the group was made: its work and its failures would be lost.
 * @param options.limit how many run at once; unlimited if not given
 */
export function group(parent: Context, options: { limit?: number } = {}): Group {
  const { limit = Infinity } = options
  if (!(limit >= 1)) throw new RangeError(`group: expected a limit of at least 1, got ${limit}`)

  const ctx = withCancel(parent)
  const made: { stack?: string } = {}
  Error.captureStackTrace(made, group)
  const queue: ((ctx: Context) => Promise<void>)[] = []
  let running = 0
  let failure: Error | undefined
  let state: 'new' | 'started' | 'over' = 'new'
  let settling: Promise<void> | undefined
  const waiting: (() => void)[] = []

  function fail(reason: unknown): void {
    failure ??= errorOf(reason)
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

  async function settle(): Promise<void> {
    while (running > 0) await new Promise<void>((resume) => waiting.push(resume))
    state = 'over'
    ctx.cancel()
    if (failure !== undefined) throw failure
  }

  return {
    go(fn) {
      if (state === 'over') {
        throw new Error(
          `go: the group made ${placeOf(made)} is over. Call go before wait has settled, or make a new group.`,
        )
      }
      state = 'started'
      queue.push(fn)
      next()
    },
    wait() {
      settling = settle()
      return settling
    },
    [Symbol.dispose]() {
      const lost = state === 'started' && parent.err === undefined
      // It fails when the work has returned: by then nobody is left to see it.
      if (state === 'started') settling?.catch(() => undefined)
      state = 'over'
      ctx.cancel()
      if (lost) throw new NotWaitedFor(placeOf(made), failure)
    },
  }
}

function placeOf({ stack }: { stack?: string }): string {
  return stack?.split('\n')[1]?.trim() ?? 'at an unknown place'
}
