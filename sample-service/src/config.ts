import pg from 'pg'
import { z } from 'zod'

/** Reports every variable that is missing or wrong, in one message. */
export class InvalidEnvironment extends Error {
  override readonly name = 'InvalidEnvironment'
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** One hour. Nothing that a request waits for should take longer. */
const hourMs = 3_600_000

/**
 * Every variable with its range, default and purpose. `npm run config -- --write` writes `.env.example` and the README's
 * table from it. Names ending in _MS are milliseconds, in _BYTES bytes.
 */
const Environment = z.object({
  HOST: text()
    .default('127.0.0.1')
    .describe('address of the public listener; the container sets `HOST=0.0.0.0`'),
  PORT: integer(0, 65_535).default(3000).describe('port of the public listener; 0 picks a free one'),
  ADMIN_HOST: text()
    .default('127.0.0.1')
    .describe('address of `/metrics` and `/debug/contexts`; must not be public'),
  ADMIN_PORT: integer(0, 65_535)
    .default(3001)
    .describe('port of `/metrics` and `/debug/contexts`; 0 picks a free one'),
  DATABASE_URL: databaseUrl('postgres://user:password@host:5432/database').describe(
    'required, except by `npm run dev`, which starts its own PostgreSQL',
  ),
  DATABASE_POOL_MAX: integer(1, 1_000)
    .default(10)
    .describe('most connections in the pool; one more, outside it, cancels statements'),
  STARTUP_TIMEOUT_MS: integer(1, hourMs)
    .default(30_000)
    .describe('how long a start may take before the service exits with 1'),
  MIGRATE_TIMEOUT_MS: integer(1, 24 * hourMs)
    .default(600_000)
    .describe('how long `npm run db:migrate` may take before it rolls back and fails'),
  REQUEST_TIMEOUT_MS: integer(1, hourMs)
    .default(15_000)
    .describe('deadline of a request whose route sets none'),
  KEEP_ALIVE_TIMEOUT_MS: integer(1_000, 24 * hourMs)
    .default(620_000)
    .describe(
      "how long an idle connection stays open; must exceed the load balancer's (AWS 60 s, Google 600 s)",
    ),
  BODY_MAX_BYTES: integer(1, 2 ** 30)
    .default(1_048_576)
    .describe('largest JSON body, in bytes'),
  UPLOAD_DIR: text()
    .default('.data/uploads')
    .describe('directory of uploaded files; nothing else may live in it'),
  STORAGE_URL: url('s3://bucket/prefix?region=eu-central-1')
    .optional()
    .describe('bucket that replaces UPLOAD_DIR; needs `npm run add -- storage s3`'),
  UPLOAD_TIMEOUT_MS: integer(1, 24 * hourMs)
    .default(300_000)
    .describe('deadline of an upload or a download'),
  UPLOAD_STALL_MS: integer(1, hourMs)
    .default(30_000)
    .describe('how long an uploading client may send nothing'),
  UPLOAD_MAX_BYTES: integer(1, Number.MAX_SAFE_INTEGER)
    .default(104_857_600)
    .describe('largest file, in bytes'),
  UPLOAD_MAX_FILES: integer(1, 1_000).default(10).describe('most files in one request'),
  UPLOAD_WORKERS: integer(1, 100)
    .default(4)
    .describe('most files of one request that are stored at the same time'),
  SHUTDOWN_DELAY_MS: integer(0, hourMs)
    .default(0)
    .describe('how long the service serves after SIGTERM while `/readyz` answers 503; `k8s/` sets 5000'),
  SHUTDOWN_DRAIN_MS: integer(0, hourMs).default(10_000).describe('how long a shutdown lets requests finish'),
  SHUTDOWN_CANCEL_MS: integer(0, hourMs)
    .default(3_000)
    .describe('how long a shutdown then waits for the requests it has cancelled'),
  SHUTDOWN_FLUSH_MS: integer(0, hourMs)
    .default(2_000)
    .describe('how long the database, telemetry and the log may take to close'),
  DEBUG_CONTEXTS: z
    .stringbool({ error: 'must be true or false' })
    .meta({ allowed: 'true or false' })
    .optional()
    .describe('whether to serve `/debug/contexts`; by default, unless NODE_ENV is `production`'),
  NODE_ENV: text().optional().describe('the container sets `production`'),
  LOG_LEVEL: z
    .enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` })
    .meta({ allowed: logLevels.join(', ') })
    .default('info')
    .describe('least severe level that is logged'),
})

/** The service's configuration. Names ending in Ms are milliseconds, in Bytes bytes. Port 0 picks a free one. */
export type Config = ReturnType<typeof loadConfig>

/**
 * Reads the environment. An empty variable counts as absent, as it does in compose files and `.env`.
 * @throws InvalidEnvironment naming every bad variable and its allowed values
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>) {
  const given = withoutEmpty(env)
  const result = Environment.safeParse(given)
  if (!result.success) {
    throw new InvalidEnvironment(result.error.issues.map((issue) => complaint(issue, given)).join('; '))
  }
  const e = result.data
  return {
    http: {
      host: e.HOST,
      port: e.PORT,
      requestTimeoutMs: e.REQUEST_TIMEOUT_MS,
      keepAliveMs: e.KEEP_ALIVE_TIMEOUT_MS,
      bodyMaxBytes: e.BODY_MAX_BYTES,
      // An upload takes longer to arrive than any other request.
      receiveTimeoutMs: e.UPLOAD_TIMEOUT_MS,
    },
    admin: { host: e.ADMIN_HOST, port: e.ADMIN_PORT },
    // Off in production unless asked for: it shows the paths of requests.
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

/** SHUTDOWN_FLUSH_MS, or its default if it is invalid: a process that exits over a bad environment still flushes its log. */
export function flushMsOf(env: Readonly<Record<string, string | undefined>>): number {
  const { SHUTDOWN_FLUSH_MS: variable } = Environment.shape
  return variable.safeParse(env['SHUTDOWN_FLUSH_MS']).data ?? variable.parse(undefined)
}

/** One variable as declared above, with its value in an environment. */
export interface Setting {
  readonly name: string
  readonly unit: 'ms' | 'bytes' | undefined
  /** Undefined if the variable has none. */
  readonly default: string | undefined
  readonly required: boolean
  /** The allowed values, in words. */
  readonly allowed: string
  readonly description: string
  /** The value or the default, with passwords hidden; undefined if there is neither. */
  readonly value: string | undefined
  readonly given: boolean
  /** Why the service refuses to start with this value. */
  readonly problem: string | undefined
}

/** Returns every variable in the order of declaration. Never throws: a bad value becomes the `problem` of its setting. */
export function settings(env: Readonly<Record<string, string | undefined>>): Setting[] {
  const given = withoutEmpty(env)
  const issues = Environment.safeParse(given).error?.issues ?? []
  return Object.entries(Environment.shape).map(([name, schema]) => {
    const fallback = schema instanceof z.ZodDefault ? String(schema.def.defaultValue) : undefined
    const issue = issues.find(({ path }) => path[0] === name)
    const value = given[name] ?? fallback
    return {
      name,
      unit: name.endsWith('_MS') ? 'ms' : name.endsWith('_BYTES') ? 'bytes' : undefined,
      default: fallback,
      required: typeOf(schema) === schema,
      allowed: String(typeOf(schema).meta()?.['allowed']),
      description: schema.description ?? '',
      value: value === undefined || !isSecret(name) ? value : withoutPassword(value),
      given: given[name] !== undefined,
      problem: issue && complaint(issue, given),
    }
  })
}

/** The schema without its default. */
function typeOf(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
    ? (schema.unwrap() as z.ZodType)
    : schema
}

/** Names the variable, what is allowed, and the value unless it may hold a password. */
function complaint(issue: z.core.$ZodIssue, given: Readonly<Record<string, string>>): string {
  const name = issue.path.join('.')
  const value = given[name]
  return `${name} ${issue.message}${value === undefined || isSecret(name) ? '' : `, not '${value}'`}`
}

function isSecret(name: string): boolean {
  const schema = Object.entries(Environment.shape).find(([known]) => known === name)?.[1]
  return schema !== undefined && typeOf(schema).meta()?.['secret'] === true
}

/** Hides the URL's password and every query value that may be one; hides all of a value that is no URL. */
function withoutPassword(value: string): string {
  if (!URL.canParse(value)) return '***'
  const url = new URL(value)
  if (url.password !== '') url.password = '***'
  for (const name of url.searchParams.keys()) {
    if (/pass|pwd|auth|secret|token|key|options/i.test(name)) url.searchParams.set(name, '***')
  }
  return url.href
}

function withoutEmpty(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, value]],
    ),
  )
}

/** A whole number in decimal digits: Number() would read '' as 0, '0x10' as 16 and ' 5 ' as 5. */
function integer(least: number, most: number) {
  const error = `must be a whole number from ${least} to ${most}`
  return z
    .string()
    .refine((text) => /^\d{1,16}$/.test(text) && Number(text) >= least && Number(text) <= most, error)
    .transform(Number)
    .meta({ allowed: `${least} to ${most}` })
}

function text() {
  return z.string().min(1).meta({ allowed: 'text' })
}

/** A URL such as `example`, with one of `protocols`. Secret, since it may hold a password. */
function url(example: string, protocols = /^/) {
  return z
    .string({ error: `is required: ${example}` })
    .refine((value) => URL.canParse(value) && protocols.test(new URL(value).protocol), {
      error: `must be a URL such as ${example}`,
    })
    .meta({ allowed: example, secret: true })
}

/** A connection string that the driver accepts: a URL such as `example`, with or without a host, or a socket's directory. */
function databaseUrl(example: string) {
  return z
    .string({ error: `is required: ${example}` })
    .superRefine((value, issues) => {
      const fault = faultOf(value)
      if (fault === undefined) return
      issues.addIssue({ code: 'custom', message: `must be a URL such as ${example}${fault}` })
    })
    .meta({ allowed: example, secret: true })
}

function faultOf(url: string): string | undefined {
  if (!/^(postgres(ql)?:\/\/|socket:\/|\/)/i.test(url)) return ''
  try {
    // The constructor does not connect, but it reads the certificates that the URL names.
    const { host, port } = new pg.Client(url)
    if (host.includes(',')) return ' (it names several hosts, the driver takes one)'
    return Number.isInteger(port) ? undefined : ' (its port is no number)'
  } catch (error) {
    return error instanceof Error ? ` (${error.message})` : ''
  }
}
