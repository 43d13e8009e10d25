import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { LiveContext } from '../sample-service/src/context/context.ts'
import { makeDatabase, temporaryServer } from '../sample-service/scripts/postgres/databases.ts'
import { migrateDatabase } from '../sample-service/scripts/postgres/migrations.ts'
import {
  startService,
  type Exit,
  type ServiceProcess,
} from '../sample-service/scripts/dev/service-process.ts'
import { receiveSpans, type EndedSpan } from './spans.ts'

/** The running service, as seen from outside. */
export interface Subject {
  /** The tree of `GET /debug/contexts`; undefined when the admin port no longer answers. */
  contexts(): Promise<LiveContext | undefined>
  /** The statements of the service's connections, from pg_stat_activity. */
  statements(): Promise<Statement[]>
  /** The spans that it has exported. */
  readonly spans: Map<string, EndedSpan>
  request(path: string, headers?: Record<string, string>): OpenRequest
  /** When it wrote the log line `message`, in epoch milliseconds; undefined if it has not. */
  logged(message: string): number | undefined
  /** Sends SIGTERM the first time it is called; resolves with the end of the process. */
  terminate(): Promise<Exit>
}

/** A running statement of the service. */
export interface Statement {
  readonly pid: number
  readonly text: string
  readonly forMs: number
}

/** A request that is under way. Its client can hang up. */
export interface OpenRequest {
  /** The status of the answer; undefined if the connection ended without one. */
  readonly status: Promise<number | undefined>
  /** The status so far. */
  answered(): number | undefined
  hangUp(): void
}

/** Closes in reverse order, even after a failure. */
export type Defer = (close: () => Promise<unknown>) => void

/** Makes the service serve the demo's routes in addition to its own. */
const hooks = fileURLToPath(new URL('./demo.hooks.mjs', import.meta.url))

/** Sends spans almost as soon as they have ended. */
const exportDelayMs = '20'

/**
 * Starts a PostgreSQL, migrates it, and starts the real service with the demo's routes added to its own.
 * @param drainMs the service's SHUTDOWN_DRAIN_MS
 * @param onStep called with the name of each step that begins
 * @throws Error if a step fails; the reason of `stop` if it aborts between two steps
 */
export async function startSubject(
  stop: AbortSignal,
  drainMs: number,
  defer: Defer,
  onStep: (step: string) => void,
): Promise<Subject> {
  const begin = (step: string): void => {
    stop.throwIfAborted()
    onStep(step)
  }
  begin('PostgreSQL, from npm')
  const server = await temporaryServer()
  defer(() => server.stop())
  const database = await makeDatabase(server.url)
  defer(() => database.drop())
  begin('migrations')
  await migrateDatabase(database.url)

  begin('the service')
  const uploadDir = await mkdtemp(join(tmpdir(), 'uploads-'))
  defer(() => rm(uploadDir, { recursive: true, force: true }))
  const receiver = await receiveSpans()
  defer(() => receiver.close())
  const service = startService(
    {
      PATH: process.env['PATH'],
      PORT: '0',
      ADMIN_PORT: '0',
      DATABASE_URL: database.url,
      UPLOAD_DIR: uploadDir,
      SHUTDOWN_DRAIN_MS: String(drainMs),
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_BSP_SCHEDULE_DELAY: exportDelayMs,
    },
    { stdout: 'pipe', remove: uploadDir, imports: [hooks] },
  )
  const open = new Set<OpenRequest>()
  // Sent only once: a second signal makes the service exit at once.
  let exit: Promise<Exit> | undefined
  const terminate = (): Promise<Exit> => (exit ??= service.stop())
  defer(async () => {
    // Otherwise it would wait for them.
    for (const request of open) request.hangUp()
    await terminate()
  })
  const log = await readLog(service)
  stop.throwIfAborted()

  const observer = new pg.Client({ connectionString: database.url, application_name: 'demo' })
  observer.on('error', () => undefined)
  await observer.connect()
  defer(() => observer.end())

  return {
    spans: receiver.spans,
    async contexts() {
      try {
        const url = `http://127.0.0.1:${log.adminPort}/debug/contexts`
        const response = await fetch(url, { headers: { accept: 'application/json' } })
        return ((await response.json()) as { root: LiveContext }).root
      } catch {
        return undefined
      }
    },
    async statements() {
      const { rows } = await observer.query<Statement>(
        `select pid, query as text, extract(epoch from clock_timestamp() - query_start)::float8 * 1000 as "forMs"
          from pg_stat_activity where datname = current_database() and backend_type = 'client backend'
          and state <> 'idle' and application_name <> 'demo' order by backend_start, pid`,
      )
      return rows
    },
    request(path, headers = {}) {
      const request = sendRequest(`http://127.0.0.1:${log.port}${path}`, headers)
      open.add(request)
      return request
    },
    logged: (message) => log.times.get(message),
    terminate,
  }
}

function sendRequest(url: string, headers: Record<string, string>): OpenRequest {
  const request = get(url, { headers, agent: false })
  let answered: number | undefined
  const status = new Promise<number | undefined>((resolve) => {
    request.on('response', (response) => {
      response.resume().on('error', () => undefined)
      answered = response.statusCode
      resolve(answered)
    })
    // After a response it has no effect.
    request.on('error', () => resolve(undefined))
  })
  return { status, answered: () => answered, hangUp: () => request.destroy() }
}

/** Reads the ports and the last time of each message from the log. @throws Error with the log if it ends before it listens */
async function readLog(service: ServiceProcess) {
  const said: string[] = []
  const times = new Map<string, number>()
  const listening = new Promise<{ port: number; adminPort: number }>((resolve) => {
    if (service.stdout === null) return
    createInterface({ input: service.stdout }).on('line', (text) => {
      said.push(text)
      const line = JSON.parse(text) as { msg: string; time: string; port: number; adminPort: number }
      times.set(line.msg, Date.parse(line.time))
      if (line.msg === 'listening') resolve(line)
    })
  })
  const ended = service.exited.then(({ code, signal }): never => {
    throw new Error(`the service ended (${signal ?? code ?? ''}) before it listened:\n${said.join('\n')}`)
  })
  const { port, adminPort } = await Promise.race([listening, ended])
  return { port, adminPort, times }
}
