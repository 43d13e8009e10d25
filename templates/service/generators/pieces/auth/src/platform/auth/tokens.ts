import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions, type JWTVerifyResult } from 'jose'
import type { Context } from '../../context/context.ts'
import { Problem } from '../problem.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import type { Principal } from './principal.ts'

/** Only signatures with a public key: with HS256, everyone who has the public key could sign (RFC 8725, 2.1 and 3.1). */
const algorithms = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')
/**
 * The type of RFC 9068, and that of issuers that do not follow it. A token of another type has another purpose (RFC 8725, 3.11).
 */
const types = /^(?:application\/)?(?:at\+jwt|jwt)$/i
/** How far the issuer's clock may be from this one's, in seconds. */
const toleranceS = 30
const maxLength = 8_192

/** What a token must contain. */
export interface Expected {
  readonly issuer: string
  readonly audience: string
}

/**
 * Verifies an access token: its signature, `iss`, `aud`, `exp` and `nbf`, and that it has a `sub`.
 * @throws Problem 401 if it is invalid, 503 if the issuer's keys cannot be fetched; the cause of ctx
 */
export async function verifyToken(
  ctx: Context,
  keys: IssuerKeys,
  { issuer, audience }: Expected,
  token: string,
): Promise<Principal> {
  if (token.length > maxLength) throw invalidToken('it is too long')
  try {
    const { payload, protectedHeader } = await verified(ctx, keys, token, {
      algorithms,
      audience,
      clockTolerance: toleranceS,
      issuer,
      requiredClaims: ['exp', 'sub'],
    })
    if (!types.test(protectedHeader.typ ?? 'jwt')) throw invalidToken('it is of another type')
    const until = ((payload.exp ?? 0) + toleranceS) * 1_000
    return { id: subjectOf(payload), scopes: scopesOf(payload), claims: payload, until }
  } catch (error) {
    if (error instanceof errors.JOSEError) throw invalidToken(reasonOf(error))
    if (ctx.err !== undefined || error instanceof Problem) throw error
    // jose and WebCrypto throw various errors for a key that is too short or broken.
    throw invalidToken('the key of the issuer cannot be used', error)
  }
}

async function verified(
  ctx: Context,
  keys: IssuerKeys,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, (header, input) => keys.find(ctx, header, input), options)
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    // The token has no `kid`, and the issuer has several keys: one of them has signed it.
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options)
      } catch (other) {
        if (!(other instanceof errors.JWSSignatureVerificationFailed)) throw other
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** The ids of API keys begin with `key:`. */
function subjectOf({ sub }: JWTPayload): string {
  if (typeof sub === 'string' && /^(?!key:)[^\p{C}]{1,255}$/u.test(sub)) return sub
  throw invalidToken('its "sub" is missing or invalid')
}

/** Scopes as in RFC 8693, 4.2, or as a list. */
function scopesOf({ scope, scp }: JWTPayload): readonly string[] {
  const given = scope ?? scp
  if (Array.isArray(given)) return given.filter((one) => typeof one === 'string')
  return typeof given === 'string' ? given.split(' ').filter((one) => one !== '') : []
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired'
  if (error instanceof errors.JWTClaimValidationFailed) return `its "${error.claim}" is missing or wrong`
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not allowed'
  if (error instanceof errors.JWKSNoMatchingKey) return 'the issuer has no such key'
  return 'its form or its signature is wrong'
}

/** 401 for a token that is refused (RFC 6750, 3.1). */
export function invalidToken(why: string, cause?: unknown): Problem {
  return new Problem(401, 'Unauthorized', `the token is invalid: ${why}`, {
    cause,
    headers: {
      'www-authenticate': `Bearer error="invalid_token", error_description="${why.replaceAll('"', "'")}"`,
    },
  })
}
