import { contextKey, type Context } from '../context/context.ts'

/** Where a request comes from, as far as it can be trusted. */
export interface Client {
  /** An IP address; undefined for a peer without one, such as a Unix socket, or that has left. */
  readonly address: string | undefined
  readonly scheme: 'http' | 'https'
  /** The host that the client asked for, perhaps with a port. */
  readonly host: string | undefined
}

/** The request that a context belongs to. */
export interface RequestInfo {
  /** The caller's `X-Request-Id` if it was valid, else a new one. */
  readonly id: string
  readonly method: string
  /** The path as requested, without the query. */
  readonly path: string
  /** Where it comes from, as far as TRUSTED_PROXIES says; undefined for an admin request that is no probe. */
  readonly client?: Client
  /** Who is calling, for the log, the span and limits; undefined until a guard knows. */
  principal?: string | undefined
  /** When the caller's token expires, in epoch milliseconds: a stream of events ends then. Undefined if it does not. */
  principalUntil?: number | undefined
  /** The path of its route, with the names of parameters. Set when it is routed; undefined where no route answers. */
  route?: string | undefined
}

export const requestKey = contextKey<RequestInfo>('request', (request) => `${request.method} ${request.path}`)

/** The request that `ctx` belongs to; undefined outside of one. */
export function requestOf(ctx: Context): RequestInfo | undefined {
  return ctx.value(requestKey)
}

/** The caller that `ctx` works for: waiting calls take turns by caller. Work without a principal or an address is one caller. */
export function callerOf(ctx: Context): string {
  const request = requestOf(ctx)
  return request?.principal ?? request?.client?.address ?? ''
}
