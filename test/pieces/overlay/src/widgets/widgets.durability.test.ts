import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, utimes } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { expect, test, type TestContext } from 'vitest'
import { eventually, open, running } from '../../test/support/client.ts'
import { startProcess, startService, type RunningService } from '../../test/support/service.ts'
import { Widgets } from './widgets.api.ts'

const field = 'widget'

function send(url: string, bytes: Buffer<ArrayBuffer>): Promise<Response> {
  const body = new FormData()
  body.append(field, new Blob([bytes]), 'x')
  return fetch(`${url}/widgets`, { method: 'POST', body })
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Starts another instance of the service. */
async function another(t: TestContext, env: Readonly<Record<string, string>>): Promise<void> {
  await startProcess(t, { env }).line(({ msg }) => msg === 'listening')
}

/** The settings for another instance on the same database and the same storage. */
function places({ databaseUrl, uploadDir }: RunningService): { DATABASE_URL: string; UPLOAD_DIR: string } {
  return { DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir }
}

test('kill -9 during uploads: acknowledged uploads are there, no row lacks its file, and a start removes the rest', async (t) => {
  const service = await startService(t)
  const acknowledged = new Map<string, string>()

  async function upload(): Promise<void> {
    for (;;) {
      const bytes = randomBytes(1 + Math.floor(Math.random() * 400_000))
      // When the service has ended, its client fails too.
      const response = await send(service.url, bytes).catch(() => undefined)
      if (response?.status !== 201) return
      const answer = await response.json().catch(() => undefined)
      const made = Widgets.safeParse(answer).data?.widgets ?? []
      for (const { id } of made) acknowledged.set(id, hashOf(bytes))
    }
  }
  const clients = Array.from({ length: 4 }, upload)
  await eventually(() => Promise.resolve(acknowledged.size > 10))
  service.signal('SIGKILL')
  await Promise.all(clients)

  const rows = await service.sql('select id, sha256 from widgets')
  const present = new Map(rows.map(({ id, sha256 }) => [String(id), String(sha256)]))
  for (const [id, sha256] of acknowledged) expect(present.get(id)).toBe(sha256)
  for (const [id, sha256] of present) {
    expect(hashOf(await readFile(join(service.uploadDir, `widgets-${id}`)))).toBe(sha256)
  }
  // Older than twice the time that an upload may take.
  const old = new Date(Date.now() - 61_000)
  for (const name of await readdir(service.uploadDir)) await utimes(join(service.uploadDir, name), old, old)
  await another(t, { ...places(service), UPLOAD_TIMEOUT_MS: '30000' })
  expect((await readdir(service.uploadDir)).sort()).toEqual(
    Array.from(present.keys(), (id) => `widgets-${id}`).sort(),
  )
})

test('an instance that starts keeps the files that another is writing to the same storage', async (t) => {
  const service = await startService(t)
  const bytes = randomBytes(300_000)
  const head = `--x\r\nContent-Disposition: form-data; name="${field}"; filename="slow"\r\n\r\n`
  const tail = '\r\n--x--\r\n'
  const client = request(`${service.url}/widgets`, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'multipart/form-data; boundary=x',
      'content-length': head.length + bytes.length + tail.length,
    },
  })
  const answer = new Promise((resolve, reject) => {
    client.once('response', (response) => resolve(json(response))).once('error', reject)
  })
  client.write(head)
  client.write(bytes.subarray(0, 200_000))
  await eventually(async () => (await readdir(service.uploadDir)).some((name) => name.endsWith('.part')))

  await another(t, places(service))
  client.end(Buffer.concat([bytes.subarray(200_000), Buffer.from(tail)]))

  const [widget] = Widgets.parse(await answer).widgets
  expect(widget?.sha256).toBe(hashOf(bytes))
  const stored = await readFile(join(service.uploadDir, `widgets-${String(widget?.id)}`))
  expect(bytes.equals(stored)).toBe(true)
})

test('a full disk is a 507 that leaves nothing, and the service keeps running', async (t) => {
  const disk = await mkdtemp(join(tmpdir(), 'full-disk-'))
  t.onTestFinished(() => rm(disk, { recursive: true, force: true }))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'tmpfs', disk], { stdio: 'pipe' })
  } catch (error) {
    t.skip(`a small disk cannot be mounted here: ${error instanceof Error ? error.message : String(error)}`)
  }
  t.onTestFinished(() => void execFileSync('umount', ['-l', disk]))
  const service = await startService(t, { env: { UPLOAD_DIR: disk } })
  expect((await send(service.url, randomBytes(1_000_000))).status).toBe(201)
  const before = await readdir(disk)

  // The service does not read the rest: a client that is still sending may only see its connection close.
  const refused = await send(service.url, randomBytes(8_000_000)).catch(() => undefined)

  if (refused !== undefined) {
    expect(refused.status).toBe(507)
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
  }
  const line = await service.line(({ status }) => status === 507)
  expect(await readdir(disk)).toEqual(before)
  expect(await service.sql('select id from widgets')).toHaveLength(1)
  expect(line).toMatchObject({ level: 'warn', err: { code: 'ENOSPC' } })
  expect((await send(service.url, randomBytes(500_000))).status).toBe(201)
})

test('a download whose file has fewer or more bytes than its row says breaks off, and is an error in the log', async (t) => {
  const service = await startService(t)
  const change = [(path: string) => truncate(path, 900), (path: string) => appendFile(path, 'more')]

  for (const [number, damage] of change.entries()) {
    const bytes = randomBytes(1_000 + number)
    const made = Widgets.parse(await (await send(service.url, bytes)).json()).widgets[0]
    const paths = await readdir(service.uploadDir, { recursive: true, withFileTypes: true })
    for (const file of paths.filter((entry) => entry.isFile())) {
      const path = join(file.parentPath, file.name)
      if (hashOf(await readFile(path)) === hashOf(bytes)) await damage(path)
    }

    const url = `${service.url}/widgets/${made?.id ?? ''}/content`
    const answer = fetch(url, { headers: { 'x-request-id': `damaged-${number}` } })

    await expect(answer.then((response) => response.arrayBuffer())).rejects.toThrow(TypeError)
    const line = await service.line(({ requestId }) => requestId === `damaged-${number}`)
    expect(line).toMatchObject({ level: 'error', err: { type: 'InvalidAnswer' } })
  }
})

test('a deletion whose client hangs up before its row is gone deletes nothing', async (t) => {
  const service = await startService(t)
  const body = new FormData()
  body.append(field, new Blob(['x']), 'x')
  await fetch(`${service.url}/widgets`, { method: 'POST', body })
  const [row] = await service.sql('select id from widgets')
  const locker = await service.connect()
  await locker.query('begin; select id from widgets for update')
  const client = open(`${service.url}/widgets/${String(row?.['id'])}`, 'DELETE')
  await eventually(async () => (await running(service, 'delete from')) === 1)

  client.hangUp()

  await service.line(({ msg, status }) => msg === 'request' && status === 499)
  await locker.query('rollback')
  expect(await service.sql('select id from widgets')).toEqual([row])
  expect(await readdir(service.uploadDir)).toHaveLength(1)
})
