import type { webcrypto } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
} from 'jose'

/** An issuer of tokens on this machine. */
export interface Issuer {
  readonly url: string
  /** The keys that it publishes. */
  readonly keys: JWK[]
  /** How often its keys were fetched. */
  fetched: number
  /** What the issuer does instead of answering. */
  instead: RequestListener | undefined
  /** Adds a key, and signs with it from now on. */
  rotate(alg?: string): Promise<void>
  /** Signs a token with the newest key. */
  sign(claims?: JWTPayload, header?: Partial<JWTHeaderParameters>): Promise<string>
  close(): Promise<void>
}

export const audience = 'notes'

export async function startIssuer(): Promise<Issuer> {
  const keys: JWK[] = []
  let newest: { key: webcrypto.CryptoKey; kid: string; alg: string } | undefined
  const server = createServer((incoming, outgoing) => {
    const isKeys = incoming.url === '/jwks'
    if (isKeys) issuer.fetched++
    if (issuer.instead !== undefined) issuer.instead(incoming, outgoing)
    else
      outgoing.end(JSON.stringify(isKeys ? { keys } : { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer: Issuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys,
    fetched: 0,
    instead: undefined,
    async rotate(alg = 'ES256') {
      const { publicKey, privateKey } = await generateKeyPair(alg)
      const kid = `key-${keys.length}`
      keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
      newest = { key: privateKey, kid, alg }
    },
    async sign(claims = {}, header = {}) {
      if (newest === undefined) await issuer.rotate()
      if (newest === undefined) throw new Error('it has no key')
      const { key, kid, alg } = newest
      const now = Math.floor(Date.now() / 1_000)
      return new SignJWT({ iss: issuer.url, aud: audience, sub: 'ada', iat: now, exp: now + 300, ...claims })
        .setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header })
        .sign(key, { crit: { x: true } })
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
  return issuer
}
