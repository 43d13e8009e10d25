import { withValue } from '../../context/context.ts'
import { documentedGuard, type Guard } from '../http/guard.ts'
import { requestOf } from '../request.ts'
import type { Auth } from './auth.ts'
import { nobody, principalKey } from './principal.ts'

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
