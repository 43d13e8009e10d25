import { afterFunc, cause, type Context } from './context.ts'

/** Resolves after `ms` milliseconds; rejects with the cause of `ctx` as soon as it ends. Leaves no timer behind. */
export function sleep(ctx: Context, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop()
      resolve()
    }, ms)
    const stop = afterFunc(ctx, () => {
      clearTimeout(timer)
      reject(cause(ctx) ?? new Error('sleep: ctx ended without a cause'))
    })
  })
}
