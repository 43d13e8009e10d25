import { cause, type Context } from '../templates/service/src/context/context.ts'

/** Throws the cause of `ctx` if it has ended: asked between two steps that themselves take no context. */
export function throwIfEnded(ctx: Context): void {
  if (ctx.err !== undefined) throw cause(ctx) ?? ctx.err
}
