import type { Piece } from '../../engine/piece.ts'
import { configured, inGuards, inProbes, onPlatform, variable } from '../../engine/places.ts'

const from = './auth/auth.ts'

/** Authenticates the caller, by bearer token or API key, before a handler runs. */
export const auth: Piece = {
  name: 'auth',
  summary: 'a guard that requires a bearer token or an API key',
  explained: `Every route asks for a bearer token of an OpenID provider, or for an API key,
except those that \`open\` in src/routes.ts names. In a handler, principalOf(ctx)
is the caller. guard: scoped('invoices.write') makes a route ask for a scope.
AUTH=off lets everybody in, for development and tests.
`,
  takes: 'nothing',
  folder: import.meta.dirname,
  wirings: [
    { ...inGuards, as: 'first item', call: 'authenticated', from: './platform/auth/authenticated.ts' },
    { ...inProbes, call: 'probeAuthRoutes', from: './probe.auth.ts' },
  ],
  dependencies: { jose: '^6.2.18' },
  members: () => [
    // The tests of the service let everybody in, unless a test sets AUTH.
    { file: 'test/support/service.ts', within: 'environment', name: 'AUTH', code: "'off'" },
    variable(
      'AUTH',
      `z.enum(['required', 'off', 'off-in-production'], { error: mustBe('required, off or off-in-production') }).meta({ allowed: 'required, off, off-in-production' }).default('required').describe('\`off\` lets everybody in, for development; in production the service refuses it and accepts only \`off-in-production\`')`,
      { knows: ['z', 'mustBe'] },
    ),
    variable(
      'AUTH_ISSUER',
      `z.string().meta({ allowed: 'https://issuer.example.com' }).optional().describe('OpenID provider whose tokens the service accepts')`,
      { knows: ['z'] },
    ),
    variable(
      'AUTH_AUDIENCE',
      `z.string().meta({ allowed: 'text' }).optional().describe('the name of this service in the \`aud\` of a token')`,
      { knows: ['z'] },
    ),
    variable(
      'AUTH_API_KEYS',
      `z.string().regex(/^ *[\\w.-]+:[\\da-f]{64}(?::[^,]*)?(?: *, *[\\w.-]+:[\\da-f]{64}(?::[^,]*)?)*$/, 'must be NAME:SHA256:SCOPE SCOPE, with commas between several; SHA256 is that of the key, in hex').meta({ allowed: 'NAME:SHA256:SCOPE SCOPE, …', secret: true }).optional().describe('API keys, hashed')`,
      { knows: ['z'] },
    ),
    configured(
      'auth',
      `{ mode: e.AUTH, production: e.NODE_ENV === 'production', issuer: e.AUTH_ISSUER, audience: e.AUTH_AUDIENCE, apiKeys: e.AUTH_API_KEYS }`,
    ),
    ...onPlatform(
      'auth',
      {
        code: 'openAuth(ctx, log, options.auth)',
        import: { name: 'openAuth', from },
        knows: ['ctx', 'log', 'options'],
      },
      { code: 'Auth', import: { name: 'Auth', from, type: true } },
      { code: 'AuthOptions', import: { name: 'AuthOptions', from, type: true } },
    ),
  ],
}
