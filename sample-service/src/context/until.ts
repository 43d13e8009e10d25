import { afterFunc, type Context } from './context.ts'
import { errorOf } from './thrown.ts'

/**
 * Waits for `promise`, and rejects with the cause of `ctx` if `ctx` ends first. The work behind the promise goes on,
 * unless it takes `ctx` too; if it fails later, its failure is dropped.
 */
export function until<T>(ctx: Context, promise: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = afterFunc(ctx, reject)
    // Settles the returned promise. If ctx ended first, this drops a later failure.
    promise.then(
      (value) => {
        stop()
        resolve(value)
      },
      (reason: unknown) => {
        stop()
        reject(errorOf(reason))
      },
    )
  })
}
