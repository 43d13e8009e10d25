import { z } from 'zod'
import { databaseUrl, integer, isOrigin, list, mustBe, proxies, text, url } from './variables.ts'

/** Reports every variable that is missing or wrong, in one message. */
export class InvalidEnvironment extends Error {
  override readonly name = 'InvalidEnvironment'
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** An hour: nothing that a request waits for should take longer. */
const hourMs = 3_600_000

/**
 * Every variable with its allowed values, default and purpose. `npm run config -- --write` writes `.env.example` and the
 * README's table from it. Names ending in _MS are milliseconds, in _BYTES bytes.
 */
export const Environment = z.object({
  HOST: text('127.0.0.1').describe('address of the public listener; the container sets `HOST=0.0.0.0`'),
  PORT: integer(0, 65_535, 3_000).describe('port of the public listener; 0 picks a free one'),
  ADMIN_HOST: text('127.0.0.1').describe(
    'address of `/metrics`, `/debug/contexts` and the probes; must not be public',
  ),
  ADMIN_PORT: integer(0, 65_535, 3_001).describe(
    'port of `/metrics`, `/debug/contexts` and the probes; 0 picks a free one',
  ),
  DATABASE_URL: databaseUrl('postgres://user:password@host:5432/database').describe(
    'required, except by `npm run dev`, which starts its own PostgreSQL',
  ),
  DATABASE_POOL_MAX: integer(1, 1_000, 10).describe(
    'maximum number of connections in the pool; one more, outside it, cancels statements',
  ),
  STARTUP_TIMEOUT_MS: integer(1, hourMs, 30_000).describe(
    'how long a start may take before the service exits with 1',
  ),
  MIGRATE_TIMEOUT_MS: integer(1, 24 * hourMs, 600_000).describe(
    'how long `npm run db:migrate` may take before it rolls back and fails',
  ),
  REQUEST_TIMEOUT_MS: integer(1, hourMs, 15_000).describe('deadline of a request whose route sets none'),
  KEEP_ALIVE_TIMEOUT_MS: integer(1_000, 24 * hourMs, 620_000).describe(
    "how long an idle connection stays open; must exceed the load balancer's (AWS 60 s, Google 600 s)",
  ),
  TRUSTED_PROXIES: proxies().describe(
    'trusted proxies, whose headers name the client: their number, or their addresses and networks; by default none',
  ),
  PROXY_HEADERS: z
    .enum(['x-forwarded', 'forwarded'], { error: mustBe('x-forwarded or forwarded') })
    .meta({ allowed: 'x-forwarded, forwarded' })
    .default('x-forwarded')
    .describe('headers that these proxies set: `X-Forwarded-For` and the like, or `Forwarded` (RFC 7239)'),
  CORS_ORIGINS: list(isOrigin, 'https://app.example.com').describe(
    'origins, separated by commas, whose pages may call the service; by default none',
  ),
  BODY_MAX_BYTES: integer(1, 2 ** 30, 1_048_576).describe('largest JSON body, in bytes'),
  UPLOAD_DIR: text('.data/uploads').describe('directory of uploaded files; nothing else may live in it'),
  STORAGE_URL: url('s3://bucket/prefix?region=eu-central-1')
    .optional()
    .describe('bucket that replaces UPLOAD_DIR; needs `npm run add -- storage s3`'),
  UPLOAD_TIMEOUT_MS: integer(1, 24 * hourMs, 300_000).describe('deadline of an upload or a download'),
  UPLOAD_STALL_MS: integer(1, hourMs, 30_000).describe('how long an uploading client may send nothing'),
  UPLOAD_MAX_BYTES: integer(1, Number.MAX_SAFE_INTEGER, 104_857_600).describe('largest file, in bytes'),
  UPLOAD_MAX_FILES: integer(1, 1_000, 10).describe('maximum number of files in one request'),
  UPLOAD_WORKERS: integer(1, 100, 4).describe(
    'maximum number of files of one request that are stored at the same time',
  ),
  SHUTDOWN_DELAY_MS: integer(0, hourMs, 0).describe(
    'how long the service keeps serving after SIGTERM, while `/readyz` answers 503; `k8s/` sets 5000',
  ),
  SHUTDOWN_DRAIN_MS: integer(0, hourMs, 10_000).describe('how long a shutdown lets requests finish'),
  SHUTDOWN_CANCEL_MS: integer(0, hourMs, 3_000).describe(
    'how long a shutdown then waits for the requests it has cancelled',
  ),
  SHUTDOWN_FLUSH_MS: integer(0, hourMs, 2_000).describe(
    'how long the database, telemetry and the log may take to close',
  ),
  DEBUG_CONTEXTS: z
    .stringbool({ error: mustBe('true or false') })
    .meta({ allowed: 'true or false' })
    .optional()
    .describe('whether to serve `/debug/contexts`; by default true, unless NODE_ENV is `production`'),
  NODE_ENV: z.string().meta({ allowed: 'text' }).optional().describe('the container sets `production`'),
  LOG_LEVEL: z
    .enum(logLevels, { error: mustBe(`one of ${logLevels.join(', ')}`) })
    .meta({ allowed: logLevels.join(', ') })
    .default('info')
    .describe('lowest level that is logged'),
  LOG_FORMAT: z
    .enum(['json', 'pretty'], { error: mustBe('json or pretty') })
    .meta({ allowed: 'json or pretty' })
    .optional()
    .describe('by default pretty in a terminal, if pino-pretty is installed, else json'),
})

/** The service's configuration. Names ending in Ms are milliseconds, in Bytes bytes. Port 0 picks a free one. */
export type Config = ReturnType<typeof loadConfig>

/**
 * Reads the environment. An empty variable counts as absent, as it does in compose files and `.env`.
 * @throws InvalidEnvironment naming every bad variable and its allowed values
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>) {
  const result = Environment.safeParse(withoutEmpty(env))
  if (!result.success) {
    throw new InvalidEnvironment(result.error.issues.map(complaint).join('; '))
  }
  const e = result.data
  return {
    http: {
      host: e.HOST,
      port: e.PORT,
      requestTimeoutMs: e.REQUEST_TIMEOUT_MS,
      keepAliveMs: e.KEEP_ALIVE_TIMEOUT_MS,
      bodyMaxBytes: e.BODY_MAX_BYTES,
      proxies: { ...(e.TRUSTED_PROXIES ?? { hops: 0, networks: [] }), headers: e.PROXY_HEADERS },
      // An upload takes longer to arrive than any other request.
      receiveTimeoutMs: e.UPLOAD_TIMEOUT_MS,
    },
    corsOrigins: e.CORS_ORIGINS ?? [],
    admin: { host: e.ADMIN_HOST, port: e.ADMIN_PORT },
    // Off in production by default, because it shows the paths of requests.
    debugContexts: e.DEBUG_CONTEXTS ?? e.NODE_ENV !== 'production',
    database: { url: e.DATABASE_URL, poolMax: e.DATABASE_POOL_MAX },
    uploads: {
      timeoutMs: e.UPLOAD_TIMEOUT_MS,
      stallMs: e.UPLOAD_STALL_MS,
      maxBytes: e.UPLOAD_MAX_BYTES,
      maxFiles: e.UPLOAD_MAX_FILES,
      workers: e.UPLOAD_WORKERS,
      url: e.STORAGE_URL,
      dir: e.UPLOAD_DIR,
    },
    startupTimeoutMs: e.STARTUP_TIMEOUT_MS,
    migrateTimeoutMs: e.MIGRATE_TIMEOUT_MS,
    shutdown: {
      delayMs: e.SHUTDOWN_DELAY_MS,
      drainMs: e.SHUTDOWN_DRAIN_MS,
      cancelMs: e.SHUTDOWN_CANCEL_MS,
      flushMs: e.SHUTDOWN_FLUSH_MS,
    },
    logLevel: e.LOG_LEVEL,
  }
}

/** Returns SHUTDOWN_FLUSH_MS, or the default if it is invalid: a process that refuses its environment still flushes its log. */
export function flushMsOf(env: Readonly<Record<string, string | undefined>>): number {
  const { SHUTDOWN_FLUSH_MS: variable } = Environment.shape
  return variable.safeParse(env['SHUTDOWN_FLUSH_MS']).data ?? variable.parse(undefined)
}

/** `env` without its empty variables, which count as absent. */
export function withoutEmpty(env: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

/** Names the variable and what is allowed. */
export function complaint({ path, message }: z.core.$ZodIssue): string {
  return `${path.join('.')} ${message}`
}
