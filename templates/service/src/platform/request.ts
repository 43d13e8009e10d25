import { contextKey, type Context } from '../context/context.ts'

/** The request that a context belongs to. */
export interface RequestInfo {
  /** The caller's `X-Request-Id` if it was valid, else a new one. */
  readonly id: string
  readonly method: string
  /** The path as requested, without the query. */
  readonly path: string
}

export const requestKey = contextKey<RequestInfo>('request', (request) => `${request.method} ${request.path}`)

/** The request that `ctx` belongs to; undefined outside of one. */
export function requestOf(ctx: Context): RequestInfo | undefined {
  return ctx.value(requestKey)
}
