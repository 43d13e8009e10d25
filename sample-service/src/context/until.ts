import { afterFunc, type Context } from './context.ts'
import { errorOf } from './thrown.ts'

/**
 * Waits for `promise` as long as `ctx` lasts: rejects with the cause of `ctx` when it ends first. What the promise
 * stands for goes on, unless it was given `ctx` too; its later failure is observed, and dropped.
 */
export function until<T>(ctx: Context, promise: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = afterFunc(ctx, reject)
    // Settles the promise that is returned; if ctx was first, its outcome is observed all the same.
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
