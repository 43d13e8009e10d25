import { throwIfEnded, type Context } from './context.ts'
import { sleep } from './sleep.ts'

export interface RetryOptions {
  /** How often at most; as long as ctx lasts if not given. */
  readonly attempts?: number
  /** Milliseconds before the second attempt at most; doubled before each one after it. 100 if not given. */
  readonly firstPauseMs?: number
  /** Milliseconds that a pause is never longer than. 2,000 if not given. */
  readonly maxPauseMs?: number
  /** Milliseconds that this failure asks to wait for, on top of the pause; 0 if not given. */
  readonly askedPauseMs?: (failure: unknown) => number
  /** Whether to try again after this failure, `pauseMs` later; always, if not given. */
  readonly retryable?: (failure: unknown, pauseMs: number) => boolean
  /** Told of each failure that is followed by another attempt, `pauseMs` later. */
  readonly onRetry?: (failure: unknown, pauseMs: number) => void
}

/**
 * Runs `work` until it resolves. Pauses grow exponentially and are drawn at random from their second half, so that
 * callers that failed together do not come back together.
 * @throws the cause of ctx when it ends first; else the last failure, when it is not retryable or no attempt is left
 */
export async function retry<T>(
  ctx: Context,
  options: RetryOptions,
  work: (ctx: Context) => Promise<T>,
): Promise<T> {
  const { attempts = Infinity, firstPauseMs = 100, maxPauseMs = 2_000 } = options
  for (let attempt = 1; ; attempt++) {
    throwIfEnded(ctx)
    try {
      return await work(ctx)
    } catch (failure) {
      throwIfEnded(ctx)
      const longestMs = Math.min(firstPauseMs * 2 ** (attempt - 1), maxPauseMs)
      const pauseMs = (options.askedPauseMs?.(failure) ?? 0) + longestMs * (0.5 + Math.random() / 2)
      if (attempt >= attempts || options.retryable?.(failure, pauseMs) === false) throw failure
      options.onRetry?.(failure, pauseMs)
      await sleep(ctx, pauseMs)
    }
  }
}
