import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from '../../templates/service/src/context/until.ts'
import { withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { startPostgres } from '../../templates/service/scripts/postgres.ts'
import { endWithThisProcess } from '../../templates/service/scripts/watchdog.ts'
import { migrateDatabase } from '../../sample-service/scripts/databases.ts'

/** One line of the service's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

/** sample-service with the probe routes of its own tests, as a process, on a PostgreSQL of its own. */
export interface Sample extends AsyncDisposable {
  readonly port: number
  readonly adminPort: number
  readonly pid: number
  readonly databaseUrl: string
  /** Asks the process over its channel, which a module of `imports` must answer. */
  ask<T>(question: string): Promise<T>
  /** Whether it still runs. */
  alive(): boolean
  /** Ends it as an orchestrator does. @returns its exit code */
  stop(): Promise<number | null>
}

export interface SampleOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
  /** Called with each line of its log, and with what was no JSON. */
  readonly onLine?: (line: LogLine) => void
}

const root = fileURLToPath(new URL('../../sample-service', import.meta.url))
const startTimeoutMs = 60_000

/** @throws Error if it does not come up */
export async function startSample(parent: Context, options: SampleOptions = {}): Promise<Sample> {
  using ctx = withTimeout(parent, startTimeoutMs, new Error('the service did not come up'))
  const dir = await mkdtemp(join(tmpdir(), 'sample-'))
  const postgres = await startPostgres({ dir: join(dir, 'postgres'), persistent: false })
  const removeAll = async (): Promise<void> => {
    await postgres.stop()
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await migrateDatabase(postgres.url)
  } catch (error) {
    await removeAll()
    throw error
  }
  const imports = ['tsx', './test/support/probe.hooks.mjs'].flatMap((module) => ['--import', module])
  const child = spawn(process.execPath, [...imports, ...(options.nodeArgs ?? []), 'src/main.ts'], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      ADMIN_PORT: '0',
      DATABASE_URL: postgres.url,
      UPLOAD_DIR: join(dir, 'uploads'),
      ...options.env,
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  endWithThisProcess(child, 'TERM')
  let running = true
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      running = false
      resolve(code)
    })
  })
  const listening = new Promise<LogLine>((resolve, reject) => {
    createInterface({ input: child.stdout ?? process.stdin }).on('line', (text) => {
      const line = parsed(text)
      if (line.msg === 'listening') resolve(line)
      options.onLine?.(line)
    })
    child.once('error', reject)
    void exited.then((code) => reject(new Error(`the service ended (${code})`)))
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    const code = await exited
    return code
  }
  try {
    const { port, adminPort } = await until(ctx, listening)
    return {
      port: Number(port),
      adminPort: Number(adminPort),
      pid: child.pid ?? 0,
      databaseUrl: postgres.url,
      ask: (question) =>
        new Promise((resolve) => {
          child.once('message', (answer) => resolve(answer as never))
          child.send(question)
        }),
      alive: () => running,
      stop: () => end('SIGTERM'),
      async [Symbol.asyncDispose]() {
        if (running) await end('SIGKILL')
        await removeAll()
      },
    }
  } catch (error) {
    await end('SIGKILL')
    await removeAll()
    throw error
  }
}

function parsed(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { level: 'error', msg: `no line of the log: ${text}` }
  }
}

/** Bytes that are resident now, and at most so far; NaN where the system does not tell. */
export async function memoryOf(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1])
  return { now: kilobytes('VmRSS') * 1_024, peak: kilobytes('VmHWM') * 1_024 }
}
