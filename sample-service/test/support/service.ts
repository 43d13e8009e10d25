import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { createDatabase } from './postgres.ts'

/** What these helpers need of a test: vitest's test context has it. */
export interface RunningTest {
  onTestFinished(fn: () => Promise<void>): unknown
}

/** One line of the service's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The service as an operator has it: a process, its ports, its log, its database. */
export interface RunningService {
  readonly url: string
  readonly adminUrl: string
  readonly databaseUrl: string
  readonly uploadDir: string
  readonly pid: number
  /** Every line so far. */
  readonly log: readonly LogLine[]
  /** Settles when the process has ended. */
  readonly exited: Promise<Exit>
  /** The first line, past or to come, that `matches`; rejects if the process ends without one. */
  line(matches: (line: LogLine) => boolean): Promise<LogLine>
  signal(signal: NodeJS.Signals): void
  /** Runs a statement on a connection of the test's own. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** A connection of the test's own, closed with the test: for locks and transactions. */
  connect(): Promise<pg.Client>
}

export interface ServiceOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Serves test/support/probe.routes.ts, or the file of that path, instead of src/routes.ts. */
  readonly probe?: boolean | string
  /** What is started; src/main.ts if not given. */
  readonly program?: 'src/main.ts' | 'src/migrate.ts'
  /** A descriptor for its log, which is not read here then. */
  readonly stdout?: number
}

/** A process that was started but need not come up: for failures at start-up. */
export interface StartedProcess {
  readonly child: ChildProcess
  readonly log: LogLine[]
  readonly exited: Promise<Exit>
  line(matches: (line: LogLine) => boolean): Promise<LogLine>
}

const root = join(import.meta.dirname, '../..')

/** Starts src/main.ts with a database and an upload folder of its own; all of it is gone when the test is. */
export async function startService(t: RunningTest, options: ServiceOptions = {}): Promise<RunningService> {
  const database = await createDatabase()
  t.onTestFinished(() => database.drop())
  const uploadDir = await mkdtemp(join(tmpdir(), 'uploads-'))
  t.onTestFinished(() => rm(uploadDir, { recursive: true, force: true }))

  const env = { DATABASE_URL: database.url, UPLOAD_DIR: uploadDir, ...options.env }
  const { child, log, exited, line } = startProcess(t, { ...options, env })
  const { port, adminPort } = await line((entry) => entry.msg === 'listening')

  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: database.url, application_name: 'test' })
    // The database is dropped while a failed test's connection may still be open.
    client.on('error', () => undefined)
    await client.connect()
    t.onTestFinished(() => client.end())
    return client
  }
  let own: Promise<pg.Client> | undefined

  return {
    url: `http://127.0.0.1:${String(port)}`,
    adminUrl: `http://127.0.0.1:${String(adminPort)}`,
    databaseUrl: database.url,
    uploadDir,
    pid: child.pid ?? 0,
    log,
    exited,
    line,
    signal: (signal) => void child.kill(signal),
    async sql(text, values = []) {
      own ??= connect()
      const client = await own
      const result = await client.query<Record<string, unknown>>(text, values)
      return result.rows
    },
    connect,
  }
}

/** One service for all tests of a file, where none of them ends it. */
export function sharedService(options: ServiceOptions = {}): () => RunningService {
  const cleanups: (() => Promise<void>)[] = []
  let service: RunningService | undefined
  beforeAll(async () => {
    service = await startService({ onTestFinished: (fn) => cleanups.push(fn) }, options)
  })
  afterAll(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup()
  })
  return () => {
    if (service === undefined) throw new Error('the shared service is there inside of tests only')
    return service
  }
}

/**
 * Starts the service's program with this environment and no other, on free ports. It is killed when the test ends, which fails if a
 * line of its log holds the password of the database, whatever the test was about.
 */
export function startProcess(t: RunningTest, options: ServiceOptions = {}): StartedProcess {
  const { program = 'src/main.ts' } = options
  const { probe = false } = options
  const hooks = probe === false ? [] : ['--import', './test/support/probe.hooks.mjs']
  const child = spawn(process.execPath, ['--import', 'tsx', ...hooks, program], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      PORT: '0',
      ADMIN_PORT: '0',
      ...(typeof probe === 'string' && { PROBE_ROUTES: probe }),
      ...options.env,
    },
    stdio: ['ignore', options.stdout ?? 'pipe', 'inherit'],
  })
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => resolve({ code, signal }))
  })
  const password = passwordOf(options.env?.['DATABASE_URL'])
  const leaks: string[] = []
  t.onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
    if (leaks.length > 0) throw new Error(`the log tells the password of the database: ${leaks.join('\n')}`)
  })

  const log: LogLine[] = []
  const watchers = new Set<(line: LogLine) => void>()
  const lines = child.stdout && createInterface({ input: child.stdout })
  lines?.on('line', (text) => {
    if (password !== '' && text.includes(password)) leaks.push(text)
    const line = JSON.parse(text) as LogLine
    log.push(line)
    for (const watcher of watchers) watcher(line)
  })

  return {
    child,
    log,
    exited,
    line(matches) {
      const present = log.find(matches)
      if (present !== undefined) return Promise.resolve(present)
      const coming = new Promise<LogLine>((resolve) => {
        const watcher = (line: LogLine): void => {
          if (!matches(line)) return
          watchers.delete(watcher)
          resolve(line)
        }
        watchers.add(watcher)
      })
      const never = exited.then(({ code, signal }): never => {
        const said = log.map((line) => JSON.stringify(line)).join('\n')
        throw new Error(`the service ended (${code ?? signal}) before it wrote the awaited line:\n${said}`)
      })
      return Promise.race([coming, never])
    },
  }
}

function passwordOf(url: string | undefined): string {
  return (url !== undefined && url.includes('@') && new pg.Client(url).password) || ''
}
