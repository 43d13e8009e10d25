import { documentedGuard, type Guard } from '../http/guard.ts'
import { Problem } from '../problem.ts'
import { principalOf } from './principal.ts'

/** The guard of a route whose caller needs all of `scopes`: `guard: scoped('invoices.write')`. It answers 403 (RFC 6750, 3.1). */
export function scoped(...scopes: readonly [string, ...string[]]): Guard {
  const responses = { 403: { description: `The caller lacks one of the scopes ${scopes.join(' ')}` } }
  return documentedGuard({ scopes, responses }, (ctx) => {
    const { scopes: has } = principalOf(ctx)
    const missing = has === 'all' ? [] : scopes.filter((scope) => !has.includes(scope))
    if (missing.length === 0) return ctx
    throw new Problem(403, 'Forbidden', `the route needs the scope ${missing.join(' ')}`, {
      headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"` },
    })
  })
}
