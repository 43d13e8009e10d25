import { cause, type Context } from '../templates/service/src/context/context.ts'

/** Throws the cause of `ctx` if it has ended. Call it between steps that take no context. */
export function throwIfEnded(ctx: Context): void {
  if (ctx.err !== undefined) throw cause(ctx) ?? ctx.err
}
