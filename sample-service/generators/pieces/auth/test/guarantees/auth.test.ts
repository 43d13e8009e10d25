/**
 * Promise: A handler behind `authenticated` runs only for a caller whose token or key was verified, and its log line names the caller.
 * Go: a middleware that puts the claims of a verified token into `r.Context()`
 * Held by: src/platform/auth/auth.ts, src/platform/auth/tokens.ts, src/platform/auth/issuer-keys.ts
 */
import { createHash, createHmac, createPublicKey } from 'node:crypto'
import { base64url, EncryptJWT, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { audience, startIssuer, type Issuer } from '../support/issuer.ts'
import { sharedService, startProcess } from '../support/service.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
let issuer: Issuer
const env: Record<string, string> = {
  AUTH: 'required',
  AUTH_AUDIENCE: audience,
  AUTH_API_KEYS: `reports:${sha256('a-long-random-key')}:notes.read notes.write`,
}
beforeAll(async () => {
  issuer = await startIssuer()
  env['AUTH_ISSUER'] = issuer.url
})
afterAll(() => issuer.close())
const service = sharedService({ probe: true, env })

function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(service().url + path, { headers })
}
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
const seconds = (): number => Math.floor(Date.now() / 1_000)

test('a good token reaches the handler; the log has its subject, in every line', async () => {
  const exp = seconds() + 60
  const headers = { ...bearer(await issuer.sign({ scope: 'notes.read', exp })), 'x-request-id': 'good' }
  const response = await ask('/probe/principal', headers)

  // It is accepted for 30 s more, since clocks differ.
  const until = (exp + 30) * 1_000
  expect([response.status, await response.json()]).toEqual([
    200,
    { id: 'ada', scopes: ['notes.read'], until },
  ])
  const line = await service().line(({ requestId, msg }) => requestId === 'good' && msg === 'request')
  expect(line).toMatchObject({ principal: 'ada', status: 200 })
})

test('an API key reaches the handler too', async () => {
  const response = await ask('/probe/principal', { 'x-api-key': 'a-long-random-key' })

  expect(await response.json()).toEqual({ id: 'key:reports', scopes: ['notes.read', 'notes.write'] })
  expect((await ask('/probe/principal', { 'x-api-key': 'another' })).status).toBe(401)
})

test('a caller that lacks a scope gets 403, which names the scopes that the route needs', async () => {
  expect((await ask('/probe/scoped', { 'x-api-key': 'a-long-random-key' })).status).toBe(200)
  const response = await ask('/probe/scoped', bearer(await issuer.sign({ scope: 'notes.read' })))

  expect([response.status, response.headers.get('www-authenticate')]).toEqual([
    403,
    'Bearer error="insufficient_scope", scope="notes.read notes.write"',
  ])
  expect(await response.json()).toMatchObject({
    status: 403,
    detail: 'the route needs the scope notes.write',
  })
})

describe('a request without valid credentials is refused:', () => {
  test.for([
    ['nothing', {}, 401, 'Bearer realm="api"'],
    ['another scheme', { authorization: 'Basic YTpi' }, 401, 'Bearer realm="api"'],
    ['no token', { authorization: 'Bearer' }, 400, 'Bearer error="invalid_request"'],
    ['a token with a blank', { authorization: 'Bearer a b' }, 400, 'Bearer error="invalid_request"'],
    [
      'a token and a key',
      { authorization: 'Bearer a', 'x-api-key': 'b' },
      400,
      'Bearer error="invalid_request"',
    ],
    ['an empty key', { 'x-api-key': '' }, 401, 'Bearer realm="api"'],
    ['no JWT', { authorization: 'Bearer abc' }, 401, 'Bearer error="invalid_token"'],
  ] as [string, Record<string, string>, number, string][])('%s', async ([, headers, status, challenge]) => {
    const response = await ask('/probe/principal', headers)

    expect(response.status).toBe(status)
    expect(response.headers.get('www-authenticate')).toContain(challenge)
    expect(await response.json()).toMatchObject({ status })
  })

  test('a token in the query', async () => {
    expect((await ask(`/probe/principal?access_token=${await issuer.sign()}`)).status).toBe(401)
  })
})

/** RFC 8725, and other attacks on a verifier of tokens. */
const attacks: Readonly<Record<string, () => Promise<string>>> = {
  'alg none': async () => `${part({ alg: 'none' })}.${(await issuer.sign()).split('.')[1] ?? ''}.`,
  'alg None, with a signature': async () => withHeader(await issuer.sign(), { alg: 'None', kid: 'key-0' }),
  'HS256 with the public key as its secret': async () => hmac(JSON.stringify(issuer.keys[0])),
  'HS256 with the public key as PEM': async () =>
    hmac(
      createPublicKey({ key: issuer.keys[0], format: 'jwk' } as never).export({
        type: 'spki',
        format: 'pem',
      }),
    ),
  'HS256 with an empty secret': async () => hmac(''),
  'a key of the attacker in jwk': async () => signedByOther({ jwk: true }),
  'a key of the attacker behind jku': async () => signedByOther({ jku: 'https://evil.example.com/jwks' }),
  'a certificate of the attacker behind x5u': async () =>
    signedByOther({ x5u: 'https://evil.example.com/x5' }),
  'a key of the attacker under the name of ours': async () => signedByOther({}),
  'a path as kid': () => issuer.sign({}, { kid: '../../../../dev/null' }),
  'SQL as kid': () => issuer.sign({}, { kid: "x' union select 'secret" }),
  'changed claims': async () => {
    const [header = '', , signature = ''] = (await issuer.sign()).split('.')
    return `${header}.${part({ iss: issuer.url, aud: audience, sub: 'root', exp: seconds() + 300 })}.${signature}`
  },
  'a signature of zeros': async () =>
    (await issuer.sign()).replace(/[^.]+$/, base64url.encode(new Uint8Array(64))),
  'no signature': async () => (await issuer.sign()).replace(/[^.]+$/, ''),
  'an unknown crit': () => issuer.sign({}, { crit: ['x'], x: 1 }),
  'another issuer': () => issuer.sign({ iss: 'https://evil.example.com' }),
  'the issuer with a slash more': () => issuer.sign({ iss: `${issuer.url}/` }),
  'another audience': () => issuer.sign({ aud: 'bills' }),
  'no audience': () => issuer.sign({ aud: undefined as never }),
  'an audience that contains ours': () => issuer.sign({ aud: 'notes-admin' }),
  expired: () => issuer.sign({ exp: seconds() - 60 }),
  'no expiry': () => issuer.sign({ exp: undefined as never }),
  'an expiry that is text': () => issuer.sign({ exp: 'never' as never }),
  'not yet valid': () => issuer.sign({ nbf: seconds() + 120 }),
  'no subject': () => issuer.sign({ sub: undefined as never }),
  'a subject that is a number': () => issuer.sign({ sub: 7 as never }),
  'a subject that passes for an API key': () => issuer.sign({ sub: 'key:reports' }),
  'a logout token': () => issuer.sign({}, { typ: 'logout+jwt' }),
  'an encrypted token': async () =>
    new EncryptJWT({ sub: 'ada' })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(new Uint8Array(32)),
  'a token of 9 KB': () => issuer.sign({ filling: 'x'.repeat(9_000) }),
  'claims that are not JSON': async () =>
    `${part({ alg: 'ES256', kid: 'key-0' })}.${base64url.encode('{"a"')}.AAAA`,
}

const part = (value: object): string => base64url.encode(JSON.stringify(value))
const withHeader = (token: string, header: object): string => token.replace(/^[^.]+/, part(header))

function hmac(secret: string | Buffer): string {
  const claims = { iss: issuer.url, aud: audience, sub: 'root', exp: seconds() + 300 }
  const input = `${part({ alg: 'HS256', kid: 'key-0' })}.${part(claims)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

async function signedByOther({ jwk, ...header }: Record<string, unknown>): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const own = jwk === true ? { jwk: await exportJWK(publicKey) } : {}
  const claims = { iss: issuer.url, aud: audience, sub: 'root', exp: seconds() + 300 }
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: 'key-0', ...own, ...header })
    .sign(await importJWK(await exportJWK(privateKey), 'ES256'), { crit: { x: true } })
}

test.for(Object.keys(attacks))('%s: 401', async (name) => {
  await issuer.sign()
  const response = await ask('/probe/principal', bearer((await attacks[name]?.()) ?? ''))

  expect(response.status).toBe(401)
  expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"')
})

test('a token is accepted if the clocks differ by 20 s', async () => {
  expect((await ask('/probe/principal', bearer(await issuer.sign({ nbf: seconds() + 20 })))).status).toBe(200)
  expect((await ask('/probe/principal', bearer(await issuer.sign({ exp: seconds() - 20 })))).status).toBe(200)
})

test('AUTH=off: callers have no principal, and limits and idempotency keys distinguish them by other means', async (t) => {
  const env = { DATABASE_URL: service().databaseUrl, UPLOAD_DIR: service().uploadDir, AUTH: 'off' }
  const off = startProcess(t, { probe: true, env })
  const { port } = await off.line(({ msg }) => msg === 'listening')

  const response = await fetch(`http://127.0.0.1:${String(port)}/probe/principal`)

  expect(await response.json()).toEqual({ id: 'nobody', scopes: 'all' })
  expect(await off.line(({ msg }) => msg === 'request')).not.toHaveProperty('principal')
})

test('while the issuer is down, tokens signed with keys that were fetched are still accepted', async () => {
  issuer.instead = (_incoming, outgoing) => outgoing.writeHead(500).end()
  expect((await ask('/probe/principal', bearer(await issuer.sign()))).status).toBe(200)
  issuer.instead = undefined
})

test.for([
  [{}, 'AUTH_ISSUER or AUTH_API_KEYS is required; AUTH=off lets everybody in, for development'],
  ...[
    'http://issuer.example.com',
    'https://user:word@issuer.example.com',
    'https://a.example.com/?tenant=1',
  ].map((url) => [{ AUTH_ISSUER: url }, 'AUTH_ISSUER must be an https URL without user, query and fragment']),
  [
    { AUTH: 'off', NODE_ENV: 'production' },
    'AUTH=off is refused in production (NODE_ENV): AUTH=off-in-production',
  ],
  [
    { AUTH: 'off-in-production', AUTH_ISSUER: 'https://a.example.com' },
    'AUTH=off-in-production lets everybody in, but AUTH_ISSUER or AUTH_API_KEYS is set: set AUTH=required',
  ],
  [{ AUTH_API_KEYS: `reports:${sha256('')}` }, 'AUTH_API_KEYS: the key of reports is empty'],
  [
    { AUTH_API_KEYS: `ada:${sha256('a')}, bob:${sha256('a')}` },
    'AUTH_API_KEYS: key:ada and bob have the same key',
  ],
  [
    { AUTH_ISSUER: 'https://a.example.com' },
    'AUTH_AUDIENCE is required with AUTH_ISSUER: the name that the issuer has for this service',
  ],
  [
    { AUTH_API_KEYS: 'reports:plain-text' },
    'AUTH_API_KEYS must be NAME:SHA256:SCOPE SCOPE, with commas between several; SHA256 is that of the key, in hex',
  ],
] as [Record<string, string>, string][])(
  '%o: the start fails and names what is missing',
  async ([given, message], t) => {
    const { DATABASE_URL } = { DATABASE_URL: service().databaseUrl }
    const { log, exited } = startProcess(t, { env: { DATABASE_URL, AUTH: 'required', ...given } })

    expect(await exited).toMatchObject({ code: 1 })
    expect(log.map(({ msg }) => msg)).toContainEqual(expect.stringContaining(message))
  },
)
