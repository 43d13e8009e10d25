import { afterFunc, cause, type Context } from './context.ts'

/** Resolves with the cause when `ctx` ends; at once if it has. Never rejects. Go: `<-ctx.Done()`. */
export function ended(ctx: Context): Promise<Error> {
  return new Promise((resolve) => {
    afterFunc(ctx, () => resolve(cause(ctx) ?? new Error('ended: ctx ended without a cause')))
  })
}
