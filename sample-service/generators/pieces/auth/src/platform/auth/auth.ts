import { createHash } from 'node:crypto'
import type { Context } from '../../context/context.ts'
import type { IncomingRequest } from '../http/route.ts'
import { Problem } from '../problem.ts'
import type { Log } from '../telemetry/log.ts'
import { IssuerKeys, isSafeUrl } from './issuer-keys.ts'
import { nobody, type Principal } from './principal.ts'
import { invalidToken, verifyToken } from './tokens.ts'

/** AUTH and the variables whose names begin with it. */
export interface AuthOptions {
  readonly mode: 'required' | 'off' | 'off-in-production'
  /** Whether NODE_ENV is `production`, in which `off` is refused: it may be part of a copied environment. */
  readonly production: boolean
  readonly issuer: string | undefined
  readonly audience: string | undefined
  readonly apiKeys: string | undefined
}

/** Finds out who calls. */
export interface Auth {
  /** @throws Problem 400, 401 or 503; the cause of ctx */
  identify(ctx: Context, request: IncomingRequest): Promise<Principal>
}

/**
 * Fetches the issuer's keys only when the first token arrives, so that a start does not need the issuer. @throws Error for
 * invalid options
 */
export function openAuth(ctx: Context, log: Log, options: AuthOptions): Auth {
  const { issuer, audience } = options
  const wrong = faultOf(options)
  if (wrong !== undefined) throw new Error(wrong)
  if (options.mode !== 'required') {
    log.warn(ctx, 'AUTH is off: every caller may do everything')
    return { identify: () => Promise.resolve(nobody) }
  }
  const principalOfKey = apiKeys(options.apiKeys)
  const tokens =
    issuer === undefined || audience === undefined
      ? undefined
      : { keys: new IssuerKeys(issuer, log), expected: { issuer, audience } }

  return {
    async identify(ctx, request) {
      const { token, key } = credentialsOf(request)
      if (key !== undefined) {
        const principal = principalOfKey(key)
        if (principal !== undefined) return principal
        throw unauthorized('the API key is not known')
      }
      if (tokens === undefined) throw invalidToken('this service accepts only API keys')
      return verifyToken(ctx, tokens.keys, tokens.expected, token)
    },
  }
}

function faultOf({ mode, production, issuer, audience, apiKeys }: AuthOptions): string | undefined {
  if (mode === 'off' && production)
    return 'AUTH=off is refused in production (NODE_ENV): AUTH=off-in-production lets everybody in there too'
  if (mode === 'off-in-production' && (issuer !== undefined || apiKeys !== undefined))
    return 'AUTH=off-in-production lets everybody in, but AUTH_ISSUER or AUTH_API_KEYS is set: set AUTH=required, or remove those'
  if (mode !== 'required') return undefined
  if (issuer === undefined && apiKeys === undefined)
    return 'AUTH_ISSUER or AUTH_API_KEYS is required; AUTH=off lets everybody in, for development'
  if (issuer !== undefined && (!isSafeUrl(issuer) || /[?#]/.test(issuer)))
    return 'AUTH_ISSUER must be an https URL without user, query and fragment; http is for an issuer on this machine'
  if (issuer !== undefined && audience === undefined)
    return 'AUTH_AUDIENCE is required with AUTH_ISSUER: the name that the issuer has for this service'
  return undefined
}

type Credentials =
  { readonly token: string; readonly key?: never } | { readonly key: string; readonly token?: never }

/** Reads `Authorization: Bearer` (RFC 6750, 2.1) or `X-Api-Key`. Proxies would log a token in the query or in a form. */
function credentialsOf({ headers, rawHeaders }: IncomingRequest): Credentials {
  const { authorization, 'x-api-key': key } = headers
  const names = rawHeaders.filter((name, i) => i % 2 === 0 && /^(?:authorization|x-api-key)$/i.test(name))
  // A proxy in front of the service may have checked another one of them.
  if (names.length > 1) throw invalidRequest('the request has more than one Authorization or X-Api-Key')
  if (typeof key === 'string') return { key }
  if (authorization === undefined) throw unauthorized('the request has neither a bearer token nor an API key')
  const token = /^Bearer +([\w.~+/-]+=*) *$/i.exec(authorization)?.[1]
  if (token !== undefined) return { token }
  if (/^Bearer\b/i.test(authorization))
    throw invalidRequest('Authorization has no token of RFC 6750 after Bearer')
  throw unauthorized('Authorization is not of the scheme Bearer')
}

/** 401 without an error code: the client sent no token (RFC 6750, 3.1). A challenge has at least one parameter (3). */
function unauthorized(detail: string): Problem {
  return new Problem(401, 'Unauthorized', detail, { headers: { 'www-authenticate': 'Bearer realm="api"' } })
}

function invalidRequest(detail: string): Problem {
  return new Problem(400, 'Bad Request', detail, {
    headers: { 'www-authenticate': `Bearer error="invalid_request", error_description="${detail}"` },
  })
}

/**
 * Reads AUTH_API_KEYS: `NAME:SHA256:SCOPE SCOPE`, with commas between several. It has hashes, so that a reader of the
 * configuration does not get the keys. A plain SHA-256 is enough, because keys are long and random. A caller may have several
 * keys, so that it can replace one.
 * @returns a function that finds the principal of a key
 * @throws Error for the hash of the empty key, and for a key of two callers
 */
function apiKeys(list = ''): (key: string) => Principal | undefined {
  const byHash = new Map<string, Principal>()
  for (const [, name = '', hash = '', scopes = ''] of list.matchAll(
    /([\w.-]+):([\da-f]{64})(?::([^,]*))?/g,
  )) {
    const other = byHash.get(hash)
    if (hash === hashOf('')) throw new Error(`AUTH_API_KEYS: the key of ${name} is empty`)
    if (other !== undefined) throw new Error(`AUTH_API_KEYS: ${other.id} and ${name} have the same key`)
    byHash.set(hash, { id: `key:${name}`, scopes: scopes.split(' ').filter(Boolean), claims: {} })
  }
  // The time of the look-up may reveal a part of the hash, but the key cannot be computed from its hash.
  return (key) => byHash.get(hashOf(key))
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
