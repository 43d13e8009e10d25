import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'
import type { Exit } from '../../scripts/dev/service-process.ts'
import { createDatabase } from './postgres.ts'
import { programIn } from './programs.ts'

/** The part of vitest's test context that these helpers need. */
export interface RunningTest {
  onTestFinished(fn: () => Promise<void>): unknown
}

/** One line of the service's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

/** The service from an operator's view: a process, its ports, its log, its database. */
export interface RunningService extends Omit<StartedProcess, 'child'> {
  readonly url: string
  readonly adminUrl: string
  readonly databaseUrl: string
  readonly uploadDir: string
  readonly pid: number
  signal(signal: NodeJS.Signals): void
  /** Runs a statement on a separate connection. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** Opens a separate connection for locks and transactions. It is closed with the test. */
  connect(): Promise<pg.Client>
}

export interface ServiceOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Serves test/support/probe.routes.ts, or another `*.routes.ts` under test/, instead of src/routes.ts. */
  readonly probe?: boolean | string
  /** The program to start. Default: src/main.ts. */
  readonly program?: 'src/main.ts' | 'src/migrate.ts'
  /** The folder of the joined program. Default: that of test/global-setup.ts. */
  readonly programs?: string
  /** A descriptor for its log, which the helper then does not read. */
  readonly stdout?: number
}

/** A started process that may fail to start: for failures at start-up. */
export interface StartedProcess {
  readonly child: ChildProcess
  /** Every line so far. */
  readonly log: readonly LogLine[]
  /** Settles when the process has ended. */
  readonly exited: Promise<Exit>
  /** The first line, past or future, that `matches`; rejects if the process ends without one. */
  line(matches: (line: LogLine) => boolean): Promise<LogLine>
}

const root = join(import.meta.dirname, '../..')

/** The environment of every started service, to which a test and `npm run add` may add. */
const environment = {
  PORT: '0',
  ADMIN_PORT: '0',
}

/** Starts src/main.ts with a new database and a new upload folder. All are removed with the test. */
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

/** One service for all tests of a file, if no test ends it. */
export function sharedService(options: ServiceOptions = {}): () => RunningService {
  return shared((t) => startService(t, options))
}

/** Calls `start` once for all tests of a file, and removes the result after the last one. */
export function shared<T>(start: (t: RunningTest) => Promise<T>): () => T {
  const cleanups: (() => Promise<void>)[] = []
  let started: { readonly value: T } | undefined
  beforeAll(async () => {
    started = { value: await start({ onTestFinished: (fn) => cleanups.push(fn) }) }
  })
  afterAll(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup()
  })
  return () => {
    if (started === undefined) throw new Error('what tests share is there inside of tests only')
    return started.value
  }
}

/** Starts one more instance, on the database and the upload folder of a service. */
export function another(
  t: RunningTest,
  { databaseUrl, uploadDir }: RunningService,
  options: ServiceOptions = {},
): StartedProcess {
  const env = { DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir, ...options.env }
  return startProcess(t, { ...options, env })
}

/**
 * Starts the service's program with only this environment, on free ports. It is killed when the test ends. Every test fails if a
 * line of the log contains the password of the database.
 */
export function startProcess(t: RunningTest, options: ServiceOptions = {}): StartedProcess {
  const { program = 'src/main.ts', programs = inject('programs'), probe = false } = options
  const routes = probe === true ? 'test/support/probe.routes.ts' : probe
  // Stacks have the lines of src/, as in the container.
  const args = ['--enable-source-maps', programIn(programs, routes || program)]
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ...environment,
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
