import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrateDatabase } from '../../sample-service/scripts/postgres/migrations.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context, LiveContext } from '../../templates/service/src/context/context.ts'
import { sample, startSampleProcess, type Line, type Running } from './process.ts'
import { probedMain } from './programs.ts'

/** sample-service with the probe routes of its tests, as a process, on its own PostgreSQL. Disposing removes everything. */
export interface Sample extends Running {
  readonly pid: number
  readonly databaseUrl: string
  /** Sends a message to the process over its channel, which a module of `imports` must answer. */
  ask<T>(question: string): Promise<T>
  /** The contexts that have not ended, from its admin port. */
  contexts(): Promise<{ live: number; root: LiveContext }>
}

export interface SampleOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
  /** Called with each line of its log, and with each line that is not JSON. */
  readonly onLine?: (line: Line) => void
}

/** @throws Error if it does not start */
export async function startSample(ctx: Context, options: SampleOptions = {}): Promise<Sample> {
  const dir = await mkdtemp(join(tmpdir(), 'sample-'))
  const postgres = await startPostgres({ dir: join(dir, 'postgres'), persistent: false })
  const removeAll = async (): Promise<void> => {
    await postgres.stop()
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await migrateDatabase(postgres.url)
    const args = [...(options.nodeArgs ?? []), await probedMain(sample)]
    const env = { DATABASE_URL: postgres.url, UPLOAD_DIR: join(dir, 'uploads'), ...options.env }
    const read = (text: string): Line => {
      const line = parsed(text)
      options.onLine?.(line)
      return line
    }
    const running = await startSampleProcess(ctx, { args, env, ipc: true, read })
    const { child, adminPort } = running
    return {
      ...running,
      pid: child.pid ?? 0,
      databaseUrl: postgres.url,
      ask: (question) =>
        new Promise((resolve) => {
          child.once('message', (answer) => resolve(answer as never))
          child.send(question)
        }),
      async contexts() {
        const headers = { accept: 'application/json', connection: 'close' }
        const response = await fetch(`http://127.0.0.1:${adminPort}/debug/contexts`, { headers })
        return (await response.json()) as { live: number; root: LiveContext }
      },
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]()
        await removeAll()
      },
    }
  } catch (error) {
    await removeAll()
    throw error
  }
}

function parsed(text: string): Line {
  try {
    return JSON.parse(text) as Line
  } catch {
    return { level: 'error', msg: `no line of the log: ${text}` }
  }
}

/** Resident bytes, now and at most so far; NaN if the system cannot tell. */
export async function memoryOf(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1])
  return { now: kilobytes('VmRSS') * 1_024, peak: kilobytes('VmHWM') * 1_024 }
}
