import { afterFunc, type Context } from './context.ts'

/**
 * Resolves with the cause when `ctx` ends, or at once if it has ended. Never rejects. Go: `<-ctx.Done()`.
 *
 * Until then `ctx` holds the promise. In a race, bind it with `using`, which releases it at the end of the block; it then
 * never settles: `using stopped = ended(server); await Promise.race([work, stopped])`. For one promise, use `until`.
 */
export function ended(ctx: Context): Promise<Error> & Disposable {
  let release: (() => boolean) | undefined
  const promise = new Promise<Error>((resolve) => {
    release = afterFunc(ctx, resolve)
  })
  return Object.assign(promise, { [Symbol.dispose]: () => void release?.() })
}
