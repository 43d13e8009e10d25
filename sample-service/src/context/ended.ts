import { afterFunc, type Context } from './context.ts'

/**
 * Resolves with the cause when `ctx` ends; at once if it has. Never rejects. Go: `<-ctx.Done()`.
 *
 * Until then it hangs from `ctx`. Where something else may come first, `using` lets go of it, and it never settles:
 * `using stopped = ended(server); await Promise.race([work, stopped])`. To wait for one promise, `until` does the same.
 */
export function ended(ctx: Context): Promise<Error> & Disposable {
  let letGo: (() => boolean) | undefined
  const promise = new Promise<Error>((resolve) => {
    letGo = afterFunc(ctx, resolve)
  })
  return Object.assign(promise, { [Symbol.dispose]: () => void letGo?.() })
}
