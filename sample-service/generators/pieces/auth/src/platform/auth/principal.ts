import { contextKey, type Context } from '../../context/context.ts'

/** An authenticated caller. */
export interface Principal {
  /** The `sub` of a token, or `key:NAME`: in the log, and the span's `user.id`. */
  readonly id: string
  readonly scopes: readonly string[] | 'all'
  /** The verified claims of its token; none for a key. */
  readonly claims: Readonly<Record<string, unknown>>
  /** When its token expires, in epoch milliseconds; undefined for a key. */
  readonly until?: number
}

/**
 * Every caller if AUTH is `off`. The log omits it. Rate limits and idempotency keys ignore it: as without auth, they distinguish
 * callers by address and `Authorization`. All rows with an owner belong to it.
 */
export const nobody: Principal = { id: 'nobody', scopes: 'all', claims: {} }

export const principalKey = contextKey<Principal>('principal')

/** The caller. @throws Error on a route that `open` in src/routes.ts leaves open */
export function principalOf(ctx: Context): Principal {
  const principal = ctx.value(principalKey)
  if (principal !== undefined) return principal
  throw new Error('the request is not authenticated: its route is open, or has no guard (src/routes.ts)')
}
