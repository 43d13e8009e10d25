import { withValue } from '../../context/context.ts'
import { documentedGuard, type Guard } from '../http/guard.ts'
import { Problem } from '../problem.ts'
import { requestOf } from '../request.ts'
import type { Auth } from './auth.ts'
import { nobody, principalKey, principalOf } from './principal.ts'

/** The guard that lets in only authenticated callers. The handler gets the caller by principalOf(ctx). */
export function authenticated({ auth }: { readonly auth: Auth }): Guard {
  return documentedGuard(
    {
      security: [{ bearer: [] }, { apiKey: [] }],
      schemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
      },
      responses: { 401: { description: 'The caller has sent no credentials, or invalid ones' } },
    },
    async (ctx, request) => {
      const principal = await auth.identify(ctx, request)
      const info = requestOf(ctx)
      if (info !== undefined && principal !== nobody) {
        info.principal = principal.id
        info.principalUntil = principal.until
      }
      return withValue(ctx, principalKey, principal)
    },
  )
}

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
