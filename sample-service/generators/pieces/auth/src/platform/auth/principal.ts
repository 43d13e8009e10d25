import { contextKey, type Context } from '../../context/context.ts'

/** Who calls. */
export interface Principal {
  /** The `sub` of a token, or `key:NAME`: in the log, and the span's `user.id`. */
  readonly id: string
  readonly scopes: readonly string[] | 'all'
  /** The claims of its token, verified; none of a key. */
  readonly claims: Readonly<Record<string, unknown>>
  /** When its token is no longer taken, in epoch milliseconds; undefined for a key. */
  readonly until?: number
}

/**
 * Every caller where AUTH is `off`. It is in no log, and limits and idempotency keys do not know it: they tell these callers apart by
 * their addresses and their `Authorization`, as they do without auth. Rows with an owner all belong to it.
 */
export const nobody: Principal = { id: 'nobody', scopes: 'all', claims: {} }

export const principalKey = contextKey<Principal>('principal')

/** Who calls. @throws Error on a route that `open` in src/routes.ts leaves open */
export function principalOf(ctx: Context): Principal {
  const principal = ctx.value(principalKey)
  if (principal !== undefined) return principal
  throw new Error('nobody was authenticated: the route is open, or it has no guard (src/routes.ts)')
}
