import { createSign, generateKeyPairSync } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { base64url, type JWK } from 'jose'
import { expect, test, vi, type TestContext } from 'vitest'
import { testContext } from '../../src/context/test-context.ts'
import type { Context } from '../../src/context/context.ts'
import { IssuerKeys } from '../../src/platform/auth/issuer-keys.ts'
import type { Principal } from '../../src/platform/auth/principal.ts'
import { verifyToken } from '../../src/platform/auth/tokens.ts'
import { createLog } from '../../src/platform/telemetry/log.ts'
import { eventually, liveContexts, open } from '../support/client.ts'
import { audience, startIssuer, type Issuer } from '../support/issuer.ts'
import { recordedLog } from '../proofs/support/recorded-log.ts'
import { startService } from '../support/service.ts'

/** An issuer, and the verifier of its tokens, which fetches the keys when the first token arrives. */
async function verifier(t: TestContext, instead?: RequestListener) {
  const issuer = await startIssuer()
  t.onTestFinished(() => issuer.close())
  issuer.instead = instead
  const keys = new IssuerKeys(issuer.url, createLog({ level: 'silent', service: 'test' }))
  const ctx = testContext(t)
  const verify = (token: string, under: Context = ctx): Promise<Principal> =>
    verifyToken(under, keys, { issuer: issuer.url, audience }, token)
  return { issuer, verify }
}

/** Answers of issuers that were moved or broken into, and of servers that are not issuers. */
test.for([
  [
    'HTML',
    (_incoming, outgoing) => outgoing.end('<html>'),
    /openid-configuration answered with what is not JSON/,
  ],
  [
    'another document',
    (_incoming, outgoing) => outgoing.end('{}'),
    /expected string, received undefined → at issuer/,
  ],
  [
    'another issuer',
    (_incoming, outgoing) => outgoing.end(discovered('https://a.example.com')),
    /its issuer is/,
  ],
  [
    'a redirect',
    (_incoming, outgoing) => outgoing.writeHead(302, { location: '/' }).end(),
    /fetch failed: .*redirect/,
  ],
  ['10 MB', (_incoming, outgoing) => outgoing.end('x'.repeat(10e6)), /more than 1000000 bytes/],
  ['a broken connection', ({ socket }) => socket.destroy(), /fetch failed: other side closed/],
  ['a list', (_incoming, outgoing) => outgoing.end('[]'), /expected object, received array/],
  ['a failure', (_incoming, outgoing) => outgoing.writeHead(502).end(), /answered 502/],
] as [string, RequestListener, RegExp][])(
  'an issuer that answers with %s: 503, and one line says why',
  async ([, instead, why], t) => {
    const other = await startIssuer()
    t.onTestFinished(() => other.close())
    other.instead = instead
    const log = recordedLog()
    const token = { protected: '', payload: '', signature: '' }

    const found = new IssuerKeys(other.url, log).find(testContext(t), { alg: 'ES256' }, token)

    await expect(found).rejects.toMatchObject({
      status: 503,
      message: 'the keys of the issuer cannot be fetched',
    })
    const said = log.lines.map(({ message }) => message)
    expect(said).toEqual([expect.stringMatching(why)])
    expect(said[0]).toMatch(/^cannot get the keys of the issuer [^\n]*$/)
  },
)

function discovered(issuer: string): string {
  return JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` })
}

test('keys are not fetched over http if the issuer has https', async (t) => {
  const { issuer, verify } = await verifier(t)
  issuer.instead = (_incoming, outgoing) =>
    outgoing.end(JSON.stringify({ issuer: issuer.url, jwks_uri: 'https://127.0.0.1:9/jwks' }))

  await expect(verify(await issuer.sign())).rejects.toMatchObject({
    status: 503,
    cause: { message: expect.stringContaining('its jwks_uri must have the scheme of the issuer') as unknown },
  })
})

test('a new key of the issuer is found, by one fetch for all waiting requests', async (t) => {
  const { issuer, verify } = await verifier(t)
  await verify(await issuer.sign())
  await issuer.rotate('RS256')
  const token = await issuer.sign()

  const callers = await Promise.all(Array.from({ length: 20 }, () => verify(token)))

  expect(callers.map(({ id }) => id)).toEqual(callers.map(() => 'ada'))
  expect(issuer.fetched).toBe(2)
})

test('many unknown key names cost one fetch in two seconds', async (t) => {
  const { issuer, verify } = await verifier(t)
  await verify(await issuer.sign())
  const startedAt = performance.now()

  const forged = Array.from({ length: 50 }, (_, i) => issuer.sign({}, { kid: `made-up-${i}` }))
  const verified = await Promise.allSettled(forged.map(async (token) => verify(await token)))

  for (const one of verified) expect(one).toMatchObject({ status: 'rejected', reason: { status: 401 } })
  const took = performance.now() - startedAt
  expect(issuer.fetched).toBeLessThanOrEqual(2 + Math.floor(took / 2_000))
})

test('unusable keys do not affect the usable ones', async (t) => {
  const { issuer, verify } = await verifier(t)
  const token = await issuer.sign()
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const odd = [null, 'key', {}, { kty: 7 }, { kty: 'RSA', kid: 'broken', alg: 'RS256', n: '*', e: 'AQAB' }]
  const small = { ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak', alg: 'RS256', use: 'sig' }
  issuer.keys.unshift(...(odd as JWK[]), small)

  expect(await verify(token)).toMatchObject({ id: 'ada' })
  for (const kid of ['weak', 'broken']) {
    const claims = base64url.encode(Buffer.from(token.split('.')[1] ?? '', 'base64url'))
    const input = `${base64url.encode(JSON.stringify({ alg: 'RS256', kid }))}.${claims}`
    const signature = createSign('RSA-SHA256').update(input).sign(weak.privateKey, 'base64url')
    await expect(verify(`${input}.${signature}`)).rejects.toMatchObject({
      status: 401,
      message: 'the token is invalid: the key of the issuer cannot be used',
    })
  }
})

test('a token without the name of its key is tried with each key of its kind', async (t) => {
  const { issuer, verify } = await verifier(t)
  for (let i = 0; i < 3; i++) await issuer.rotate()
  const nameless = { kid: undefined } as never
  const token = await issuer.sign({}, nameless)

  expect(await verify(token)).toMatchObject({ id: 'ada' })
  const forged = token.replace(/[^.]+$/, base64url.encode(new Uint8Array(64)))
  await expect(verify(forged)).rejects.toMatchObject({ status: 401 })
  await expect(verify(await issuer.sign({ aud: 'bills' }, nameless))).rejects.toMatchObject({ status: 401 })
})

test('if the issuer hangs when its keys are old, no request waits for long', async (t) => {
  const { issuer, verify } = await verifier(t)
  const token = await issuer.sign()
  await verify(token)
  issuer.instead = () => undefined
  const now = performance.now.bind(performance)
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + 660_000)
  t.onTestFinished(() => later.mockRestore())

  const startedAt = now()
  await Promise.all([verify(token), verify(token)])
  await verify(token)

  expect(now() - startedAt).toBeLessThan(2_000)
  expect(issuer.fetched).toBe(1)
})

test('an issuer that hangs at the first token: 504 and 499, and API keys still work', async (t) => {
  const issuer: Issuer = await startIssuer()
  t.onTestFinished(() => issuer.close())
  let asked = 0
  issuer.instead = () => {
    asked++
  }
  const service = await startService(t, {
    probe: true,
    env: {
      AUTH: 'required',
      AUTH_ISSUER: issuer.url,
      AUTH_AUDIENCE: audience,
      // The hash of `a`.
      AUTH_API_KEYS: 'reports:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
    },
  })
  const url = `${service.url}/probe/principal`
  const headers = { authorization: `Bearer ${await issuer.sign()}` }

  const late = await fetch(url, { headers: { ...headers, 'x-envoy-expected-rq-timeout-ms': '300' } })
  expect(late.status).toBe(504)
  expect((await fetch(url, { headers: { 'x-api-key': 'a' } })).status).toBe(200)
  const { hangUp } = open(url, 'GET', { ...headers, 'x-request-id': 'left' })
  await eventually(async () => (await liveContexts(service)).includes('/probe/principal'))
  hangUp()
  const line = await service.line(({ requestId, msg }) => requestId === 'left' && msg === 'request')
  expect(line).toMatchObject({ status: 499 })
  expect(asked).toBe(1)

  issuer.instead = undefined
  const answered = async (): Promise<number> => (await fetch(url, { headers })).status
  await expect.poll(answered, { timeout: 9_000 }).toBe(200)
})
