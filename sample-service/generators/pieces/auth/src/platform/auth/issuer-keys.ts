import {
  createLocalJWKSet,
  errors,
  type CryptoKey,
  type FlattenedJWSInput,
  type JWK,
  type JWSHeaderParameters,
} from 'jose'
import { z } from 'zod'
import { withCancel, withoutCancel, withTimeout, type Context } from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { unavailable } from '../problem.ts'
import type { Log } from '../telemetry/log.ts'
import { getJson } from './get-json.ts'

/** How long the issuer may take to answer. */
const fetchMs = 5_000
/** How long keys are used before a request fetches them again. */
const freshMs = 600_000
/** How much longer keys are used if the issuer does not answer. */
const staleMs = 3_600_000
/** How long a request that still has old keys waits for the new ones. */
const patienceMs = 200
/** The least time between two fetches, even if tokens name unknown keys. */
const pauseMs = 2_000

type Keys = ReturnType<typeof createLocalJWKSet>

/**
 * The public keys of an OpenID provider. The service finds them by discovery (OpenID Connect Discovery 1.0, 4) when the first
 * token arrives, and keeps them. For an unknown key it fetches them again, so that the provider may change its keys at any time.
 */
export class IssuerKeys {
  readonly #issuer: string
  readonly #log: Log
  #keys: Keys | undefined
  /** Milliseconds of performance.now(). */
  #fetchedAt = -Infinity
  #triedAt = -Infinity
  #failed = false
  #pending: Promise<void> | undefined

  constructor(issuer: string, log: Log) {
    this.#issuer = issuer
    this.#log = log
  }

  /**
   * Returns the key that a token's header names.
   * @throws JWKSNoMatchingKey and the like if the issuer has none; Problem 503 if it does not answer; the cause of ctx
   */
  async find(ctx: Context, header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const since = performance.now()
    const keys = await this.#fresh(ctx)
    try {
      return await keys(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    }
    // The key may be new. All requests that wait here share the next fetch.
    await sleep(ctx, Math.max(0, this.#triedAt + pauseMs - performance.now()))
    if (this.#fetchedAt < since) await this.#fetch(ctx)
    return (this.#keys ?? keys)(header, token)
  }

  async #fresh(ctx: Context): Promise<Keys> {
    const now = performance.now()
    const age = now - this.#fetchedAt
    if (this.#keys !== undefined && age < freshMs) return this.#keys
    const justFailed = this.#failed && now - this.#triedAt < pauseMs
    const old = age < freshMs + staleMs ? this.#keys : undefined
    // Another request waits for the new ones already.
    if (old !== undefined && (justFailed || this.#pending !== undefined)) return old
    if (justFailed) throw unavailable('the issuer of the tokens did not answer a moment ago')
    using patience = old === undefined ? withCancel(ctx) : withTimeout(ctx, patienceMs)
    await this.#fetch(patience).catch((error: unknown) => {
      if (old === undefined || ctx.err !== undefined) throw error
    })
    if (this.#keys === undefined) throw unavailable('the keys of the issuer have not arrived yet')
    return this.#keys
  }

  /** Waits for one fetch that all requests share. */
  async #fetch(ctx: Context): Promise<void> {
    // Detached: it must not end with the request that began it. Its own deadline ends it.
    this.#pending ??= this.#load(withoutCancel(ctx)).finally(() => (this.#pending = undefined))
    await until(ctx, this.#pending)
  }

  async #load(parent: Context): Promise<void> {
    using ctx = withTimeout(parent, fetchMs, new Error(`it did not answer within ${fetchMs} ms`))
    this.#triedAt = performance.now()
    try {
      const base = this.#issuer.replace(/\/$/, '')
      const found = Discovered.parse(await getJson(ctx, `${base}/.well-known/openid-configuration`))
      if (found.issuer !== this.#issuer) throw new Error(`its issuer is ${found.issuer}`)
      if (new URL(found.jwks_uri).protocol !== new URL(base).protocol)
        throw new Error(`its jwks_uri must have the scheme of the issuer, not ${found.jwks_uri}`)
      const { keys } = KeySet.parse(await getJson(ctx, found.jwks_uri))
      this.#keys = createLocalJWKSet({ keys: keys.filter(isKey) })
      this.#fetchedAt = performance.now()
      this.#failed = false
    } catch (error) {
      this.#failed = true
      const message = `cannot get the keys of the issuer ${this.#issuer}: ${reasonOf(errorOf(error))}`
      this.#log.warn(ctx, message, { stillHas: this.#keys !== undefined })
      throw unavailable('the keys of the issuer cannot be fetched', new Error(message, { cause: error }))
    }
  }
}

/** The message on one line. An error of fetch has the reason in its cause. */
function reasonOf(error: Error): string {
  if (error instanceof z.ZodError) return z.prettifyError(error).replace(/\s*\n\s*/g, ' ')
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** Keys must arrive over TLS: whoever could change them on the way could sign tokens. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username + password !== '') return false
  return (
    protocol === 'https:' ||
    (protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname))
  )
}

const Discovered = z.object({
  issuer: z.string(),
  jwks_uri: z.string().refine(isSafeUrl, 'must be an https URL'),
})
const KeySet = z.object({ keys: z.array(z.unknown()).max(100) })

/** Members that are not keys are left out (RFC 7517, 5). */
function isKey(member: unknown): member is JWK {
  return typeof member === 'object' && member !== null && 'kty' in member && typeof member.kty === 'string'
}
