import pg from 'pg'
import { z } from 'zod'

/** The environment names variables that are missing or wrong: all of them, in one message. */
export class InvalidEnvironment extends Error {
  override readonly name = 'InvalidEnvironment'
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** One hour: nothing that a request waits for should take longer. */
const hourMs = 3_600_000

/**
 * Every variable with its range, its default and what it is for. `.env.example` and the README's table are written from
 * here (`npm run config -- --write`). Names that end in _MS are milliseconds, in _BYTES bytes.
 */
const Environment = z.object({
  HOST: text().default('127.0.0.1').describe('the public listener; the container sets `HOST=0.0.0.0`'),
  PORT: integer(0, 65_535).default(3000).describe('0 means any free one'),
  ADMIN_HOST: text()
    .default('127.0.0.1')
    .describe('of `/metrics` and `/debug/contexts`: never a public address'),
  ADMIN_PORT: integer(0, 65_535).default(3001).describe('0 means any free one'),
  DATABASE_URL: databaseUrl('postgres://user:password@host:5432/database').describe(
    'required; `npm run dev` without it starts a PostgreSQL of its own',
  ),
  DATABASE_POOL_MAX: integer(1, 1_000).default(10).describe('connections; one more cancels statements'),
  STARTUP_TIMEOUT_MS: integer(1, hourMs).default(30_000).describe('for the service to listen, or to fail'),
  MIGRATE_TIMEOUT_MS: integer(1, 24 * hourMs)
    .default(600_000)
    .describe('for `npm run db:migrate` to apply all that is missing, or nothing'),
  REQUEST_TIMEOUT_MS: integer(1, hourMs)
    .default(15_000)
    .describe("a request's deadline, where its route has none of its own"),
  KEEP_ALIVE_TIMEOUT_MS: integer(1_000, 24 * hourMs)
    .default(620_000)
    .describe('for idle connections; longer than a load balancer keeps them (AWS 60 s, Google 600 s)'),
  BODY_MAX_BYTES: integer(1, 2 ** 30)
    .default(1_048_576)
    .describe('of a JSON body'),
  UPLOAD_DIR: text().default('.data/uploads').describe('uploaded files and uploads under way, nothing else'),
  STORAGE_URL: url('s3://bucket/prefix?region=eu-central-1')
    .optional()
    .describe('instead of UPLOAD_DIR, after `npm run add -- storage s3`'),
  UPLOAD_TIMEOUT_MS: integer(1, 24 * hourMs)
    .default(300_000)
    .describe('the deadline of an upload or a download'),
  UPLOAD_STALL_MS: integer(1, hourMs).default(30_000).describe('how long a client may send nothing'),
  UPLOAD_MAX_BYTES: integer(1, Number.MAX_SAFE_INTEGER).default(104_857_600).describe('of one file'),
  UPLOAD_MAX_FILES: integer(1, 1_000).default(10).describe('in one request'),
  UPLOAD_WORKERS: integer(1, 100).default(4).describe('files of one request stored at the same time'),
  SHUTDOWN_DELAY_MS: integer(0, hourMs).default(0).describe('not ready, still serving; 5000 in `k8s/`'),
  SHUTDOWN_DRAIN_MS: integer(0, hourMs).default(10_000).describe('for requests to finish by themselves'),
  SHUTDOWN_CANCEL_MS: integer(0, hourMs).default(3_000).describe('for cancelled requests to unwind'),
  SHUTDOWN_FLUSH_MS: integer(0, hourMs)
    .default(2_000)
    .describe('for the database, telemetry and the log to close'),
  DEBUG_CONTEXTS: z
    .stringbool({ error: 'must be true or false' })
    .meta({ allowed: 'true or false' })
    .optional()
    .describe('whether `/debug/contexts` is offered; without it, where NODE_ENV is not `production`'),
  NODE_ENV: text().optional().describe('`production` in the container'),
  LOG_LEVEL: z
    .enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` })
    .meta({ allowed: logLevels.join(', ') })
    .default('info')
    .describe('the least severe line that is written'),
})

/** What the service runs with. Names that end in Ms are milliseconds, in Bytes bytes; a port of 0 is any free one. */
export type Config = ReturnType<typeof loadConfig>

/**
 * Reads the environment. An empty variable counts as absent, as it does in compose files and `.env`.
 * @throws InvalidEnvironment that names every bad variable and what it must be
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

/** SHUTDOWN_FLUSH_MS, or its default where that is no number: for a process that ends because its environment is bad. */
export function flushMsOf(env: Readonly<Record<string, string | undefined>>): number {
  const { SHUTDOWN_FLUSH_MS: variable } = Environment.shape
  return variable.safeParse(env['SHUTDOWN_FLUSH_MS']).data ?? variable.parse(undefined)
}

/** One variable as it is declared above, and what an environment says of it. */
export interface Setting {
  readonly name: string
  readonly unit: 'ms' | 'bytes' | undefined
  /** Undefined where there is none. */
  readonly default: string | undefined
  readonly required: boolean
  /** What a value may be, in words. */
  readonly allowed: string
  readonly description: string
  /** What the service would run with, passwords hidden; undefined if it is not set and has no default. */
  readonly value: string | undefined
  readonly given: boolean
  /** Why the service would refuse to start with it. */
  readonly problem: string | undefined
}

/** Every variable, in the order of the declaration. Never throws: a bad value is the `problem` of its setting. */
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

/** A variable without what its absence means. */
function typeOf(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
    ? (schema.unwrap() as z.ZodType)
    : schema
}

/** Which variable is wrong and what is allowed, with the value that was given unless that may hold a password. */
function complaint(issue: z.core.$ZodIssue, given: Readonly<Record<string, string>>): string {
  const name = issue.path.join('.')
  const value = given[name]
  return `${name} ${issue.message}${value === undefined || isSecret(name) ? '' : `, not '${value}'`}`
}

function isSecret(name: string): boolean {
  const schema = Object.entries(Environment.shape).find(([known]) => known === name)?.[1]
  return schema !== undefined && typeOf(schema).meta()?.['secret'] === true
}

/** The URL with its password, and every value of its query that may be one, hidden; nothing of what is no URL. */
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

/** A URL as the `example`, with one of `protocols`. Secret, since it may hold a password. */
function url(example: string, protocols = /^/) {
  return z
    .string({ error: `is required: ${example}` })
    .refine((value) => URL.canParse(value) && protocols.test(new URL(value).protocol), {
      error: `must be a URL such as ${example}`,
    })
    .meta({ allowed: example, secret: true })
}

/** What the driver takes: a URL such as the `example`, also without a host, or the directory of a socket. It says what is wrong. */
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
    // It connects to nothing yet, but reads the certificates that the URL names.
    const { host, port } = new pg.Client(url)
    if (host.includes(',')) return ' (it names several hosts, the driver takes one)'
    return Number.isInteger(port) ? undefined : ' (its port is no number)'
  } catch (error) {
    return error instanceof Error ? ` (${error.message})` : ''
  }
}
