import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { addressOf } from '../../src/platform/database/answer.ts'
import { ignoreBrokenPipe } from '../broken-pipe.ts'
import { readFlags } from '../command-line.ts'
import { startService, type ServiceProcess } from '../dev/service-process.ts'
import { makeDatabase, temporaryServer } from '../postgres/databases.ts'
import { migrateDatabase } from '../postgres/migrations.ts'
import { answer, findUploads, tryHangUp, tryUpload } from './steps.ts'

/**
 * `npm run verify [-- --json]`: starts this service on a PostgreSQL of its own, uploads, hangs up on a waiting query and stops
 * the service. Prints the result and the duration of each step. Exits with 1 if a step failed. Leaves nothing behind.
 */
async function verify(record: Recorder): Promise<void> {
  const opened: Opened = []
  try {
    const database = await record.step('database', () => openDatabase(opened))
    await record.step('migrate', async () => `migrations applied: ${await migrateDatabase(database.url)}`)
    const { service, url, uploads } = await record.step('start', () => openService(opened, database.url))
    const none = 'not applicable: this service takes no uploads'
    await record.step('upload', async () => (uploads ? tryUpload(url, uploads) : none))
    await record.step('hang-up', async () => (uploads ? tryHangUp(url, database.url, uploads) : none))
    await record.step('stop', () => tryStop(service))
  } finally {
    for (const close of opened.reverse()) await close().catch((error: unknown) => console.error(error))
  }
}

/** The functions that close what has been opened. */
type Opened = (() => Promise<unknown>)[]

async function openDatabase(opened: Opened): Promise<{ url: string; saw: string }> {
  const server = await temporaryServer()
  opened.push(() => server.stop())
  const database = await makeDatabase(server.url)
  opened.push(() => database.drop())
  return { url: database.url, saw: `PostgreSQL on ${addressOf(server.url)}` }
}

async function openService(opened: Opened, databaseUrl: string) {
  const uploadDir = await mkdtemp(join(tmpdir(), 'uploads-'))
  opened.push(() => rm(uploadDir, { recursive: true, force: true }))
  const env = {
    PATH: process.env['PATH'],
    PORT: '0',
    ADMIN_PORT: '0',
    AUTH: 'off',
    DATABASE_URL: databaseUrl,
    UPLOAD_DIR: uploadDir,
  }
  const service = startService(env, { stdout: 'pipe', remove: uploadDir })
  opened.push(() => service.stop())
  const url = `http://127.0.0.1:${await listeningPort(service)}`
  const ready = await answer(`${url}/readyz`)
  if (ready.status !== 200) throw new Error(`GET /readyz answered ${ready.status}: ${await ready.text()}`)
  return { service, url, uploads: await findUploads(url), saw: `listening on ${url}, /readyz answers 200` }
}

async function tryStop(service: ServiceProcess): Promise<string> {
  const { code, signal } = await service.stop()
  if (code !== 0) throw new Error(`SIGTERM: exit ${signal ?? code ?? 'unknown'}, not 0`)
  return 'SIGTERM: exit code 0'
}

/** The port in the log line `listening`. @throws Error with the log if the service ends before it listens */
async function listeningPort(service: ServiceProcess): Promise<number> {
  const said: string[] = []
  const listening = new Promise<number>((resolve) => {
    if (service.stdout === null) return
    createInterface({ input: service.stdout }).on('line', (line) => {
      said.push(line)
      if (!line.includes('"listening"')) return
      const { port } = JSON.parse(line) as { port?: unknown }
      if (typeof port === 'number') resolve(port)
    })
  })
  const ended = service.exited.then(({ code, signal }): never => {
    throw new Error(
      `the service ended with ${signal ?? code ?? 'no code'} before it listened: ${said.join(' ')}`,
    )
  })
  return Promise.race([listening, ended])
}

/** One step of `npm run verify`. */
interface Step {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  /** What the step observed. */
  readonly detail: string
}

/** Runs steps one after the other, and keeps the result of each. */
type Recorder = ReturnType<typeof recorder>

/** Returns a recorder without steps. It calls `onStep` when a step ends. */
function recorder(onStep: (step: Step) => void) {
  const steps: Step[] = []
  return {
    /** Runs `work`, which returns what the step observed. @throws what `work` throws, after it has kept the failed step */
    async step<T extends string | { saw: string }>(name: string, work: () => Promise<T>): Promise<T> {
      const started = performance.now()
      const add = (ok: boolean, detail: string): void => {
        const step = { name, ok, ms: Math.round(performance.now() - started), detail }
        steps.push(step)
        onStep(step)
      }
      try {
        const result = await work()
        add(true, typeof result === 'string' ? result : result.saw)
        return result
      } catch (error) {
        add(false, reasonOf(error))
        throw error
      }
    },
    /** The steps, in order. */
    receipt: () => ({ ok: steps.length > 0 && steps.every((step) => step.ok), steps }),
  }
}

/** The message of fetch alone would be `fetch failed`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${reasonOf(error.cause)}` : error.message
}

/** `step` on one line. */
function printed(step: Step): string {
  return `${step.ok ? '✓' : '✗'} ${step.name.padEnd(9)} ${String(step.ms).padStart(6)} ms  ${step.detail}`
}

ignoreBrokenPipe()
const { json } = readFlags(
  'verify',
  'starts this service, uploads, hangs up and stops it, and prints the results',
  { json: { type: 'boolean', default: false } },
)
const record = recorder((step) => {
  if (!json) console.log(printed(step))
})
// The failed step has printed the reason.
await verify(record).catch(() => undefined)
const receipt = record.receipt()
if (json) console.log(JSON.stringify(receipt))
process.exit(receipt.ok ? 0 : 1)
