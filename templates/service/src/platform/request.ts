import { contextKey, type Context } from '../context/context.ts'

/** The request that a context belongs to. */
export interface RequestInfo {
  /** The caller's `X-Request-Id` if it was valid, else a new one. */
  readonly id: string
  readonly method: string
  /** The path as requested, without the query. */
  readonly path: string
  /** The path of its route, with the names of parameters. Set when it is routed; undefined where no route answers. */
  route?: string | undefined
}

export const requestKey = contextKey<RequestInfo>('request', (request) => `${request.method} ${request.path}`)

/** The request that `ctx` belongs to; undefined outside of one. */
export function requestOf(ctx: Context): RequestInfo | undefined {
  return ctx.value(requestKey)
}

/** Who asks for the work: a principal, else an address. */
export const callerKey = contextKey<string>('caller')

/** Whom `ctx` works for: callers take turns where calls wait. Work of nobody in particular is a caller of its own. */
export function callerOf(ctx: Context): string {
  return ctx.value(callerKey) ?? ''
}
