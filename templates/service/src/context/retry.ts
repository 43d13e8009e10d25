import { throwIfEnded, type Context } from './context.ts'
import { sleep } from './sleep.ts'

export interface RetryOptions {
  /** The most calls of `work`. By default, it retries until ctx ends. */
  readonly attempts?: number
  /** The longest pause before the second attempt, in milliseconds; it doubles before each later one. Default 100. */
  readonly firstPauseMs?: number
  /** The longest pause, in milliseconds. Default 2,000. */
  readonly maxPauseMs?: number
  /** Returns milliseconds to add to the pause because of this failure. Default 0. */
  readonly askedPauseMs?: (failure: unknown) => number
  /** Reports whether to try again after this failure, `pauseMs` later. By default, always. */
  readonly retryable?: (failure: unknown, pauseMs: number) => boolean
  /** Called with each failure before another attempt, which follows `pauseMs` later. */
  readonly onRetry?: (failure: unknown, pauseMs: number) => void
}

/**
 * Calls `work` until it resolves. The longest pause doubles each time, and each pause is a random part of it, at least
 * half, so that callers that failed together do not retry together.
 * @throws the cause of ctx when it ends first; else the last failure, if it is not retryable or no attempt is left
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
