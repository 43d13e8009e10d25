import { z } from 'zod'

/** The environment names variables that are missing or wrong: all of them, in one message. */
export class InvalidEnvironment extends Error {
  override readonly name = 'InvalidEnvironment'
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** One hour: nothing that a request waits for should take longer. */
const hourMs = 3_600_000

const Environment = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: integer(0, 65_535).default(3000),
  ADMIN_HOST: z.string().min(1).default('127.0.0.1'),
  ADMIN_PORT: integer(0, 65_535).default(3001),
  DATABASE_URL: z
    .string({ error: 'is required: postgres://user:password@host:5432/database' })
    .refine(isPostgresUrl, 'must be a URL such as postgres://user:password@host:5432/database'),
  DATABASE_POOL_MAX: integer(1, 1_000).default(10),
  STARTUP_TIMEOUT_MS: integer(1, hourMs).default(30_000),
  REQUEST_TIMEOUT_MS: integer(1, hourMs).default(15_000),
  BODY_MAX_BYTES: integer(1, 2 ** 30).default(1_048_576),
  UPLOAD_TIMEOUT_MS: integer(1, 24 * hourMs).default(300_000),
  UPLOAD_STALL_MS: integer(1, hourMs).default(30_000),
  UPLOAD_MAX_BYTES: integer(1, Number.MAX_SAFE_INTEGER).default(104_857_600),
  UPLOAD_MAX_FILES: integer(1, 1_000).default(10),
  UPLOAD_WORKERS: integer(1, 100).default(4),
  STORAGE_URL: z.url('must be a URL such as s3://bucket/prefix?region=eu-central-1').optional(),
  UPLOAD_DIR: z.string().min(1).default('.data/uploads'),
  SHUTDOWN_DELAY_MS: integer(0, hourMs).default(0),
  SHUTDOWN_DRAIN_MS: integer(0, hourMs).default(10_000),
  SHUTDOWN_CANCEL_MS: integer(0, hourMs).default(3_000),
  SHUTDOWN_FLUSH_MS: integer(0, hourMs).default(2_000),
  DEBUG_CONTEXTS: z.stringbool('must be true or false').optional(),
  NODE_ENV: z.string().optional(),
  LOG_LEVEL: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
})

/** What the service runs with. Names that end in Ms are milliseconds, in Bytes bytes; a port of 0 is any free one. */
export type Config = ReturnType<typeof loadConfig>

/**
 * Reads the environment. An empty variable counts as absent, as it does in compose files and `.env`.
 * @throws InvalidEnvironment that names every bad variable and what it must be
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>) {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const result = Environment.safeParse(given)
  if (!result.success) {
    const reasons = result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`)
    throw new InvalidEnvironment(reasons.join('; '))
  }
  const e = result.data
  return {
    http: {
      host: e.HOST,
      port: e.PORT,
      requestTimeoutMs: e.REQUEST_TIMEOUT_MS,
      bodyMaxBytes: e.BODY_MAX_BYTES,
      // Of all requests an upload takes longest to arrive.
      receiveTimeoutMs: e.UPLOAD_TIMEOUT_MS,
    },
    admin: { host: e.ADMIN_HOST, port: e.ADMIN_PORT },
    // It shows the paths of requests: in production only where it is asked for.
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
    shutdown: {
      delayMs: e.SHUTDOWN_DELAY_MS,
      drainMs: e.SHUTDOWN_DRAIN_MS,
      cancelMs: e.SHUTDOWN_CANCEL_MS,
      flushMs: e.SHUTDOWN_FLUSH_MS,
    },
    logLevel: e.LOG_LEVEL,
  }
}

/** A whole number in decimal digits: Number() would read '' as 0, '0x10' as 16 and ' 5 ' as 5. */
function integer(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z
    .string()
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((value) => value >= least && value <= most, message)
}

function isPostgresUrl(value: string): boolean {
  return /^postgres(ql)?:$/.test(URL.canParse(value) ? new URL(value).protocol : '')
}
