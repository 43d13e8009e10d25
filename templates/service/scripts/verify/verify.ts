import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ignoreBrokenPipe } from '../broken-pipe.ts'
import { addressOf } from '../../src/platform/database/answer.ts'
import { makeDatabase, temporaryServer } from '../postgres/databases.ts'
import { migrateDatabase } from '../postgres/migrations.ts'
import { readFlags } from '../command-line.ts'
import { printed, recorder, type Recorder } from './receipt.ts'
import { startService, type ServiceProcess } from '../dev/service-process.ts'
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
