import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { eventually, open, running } from '../../test/support/client.ts'
import { sharedService, startService, type RunningService } from '../../test/support/service.ts'

const field = 'document'

const shared = sharedService()

/** Sends half of a file in a POST and keeps the connection open; returns when the first bytes are on the service's disk. */
async function halfAnUpload(service: RunningService): Promise<ClientRequest> {
  const client = request(`${service.url}/documents`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': '1000000' },
  })
  client.on('error', () => undefined)
  client.write(`--x\r\nContent-Disposition: form-data; name="${field}"; filename="half"\r\n\r\n`)
  client.write(randomBytes(500_000))
  await eventually(async () => (await readdir(service.uploadDir)).some((name) => name.endsWith('.part')))
  return client
}

async function answerTo(client: ClientRequest): Promise<unknown> {
  const [response] = (await once(client, 'response')) as [IncomingMessage]
  return json(response)
}

async function expectNothingLeft(service: RunningService): Promise<void> {
  await eventually(async () => (await readdir(service.uploadDir)).length === 0)
  expect(await service.sql('select id from documents')).toEqual([])
  await eventually(async () => (await openBelow(service)) === 0)
}

/** How many files of its upload folder the service holds open; 0 if the system cannot tell. */
async function openBelow(service: RunningService): Promise<number> {
  const descriptors = `/proc/${service.pid}/fd`
  const numbers = await readdir(descriptors).catch(() => [])
  const files = await Promise.all(numbers.map((fd) => readlink(`${descriptors}/${fd}`).catch(() => '')))
  return files.filter((file) => file.startsWith(service.uploadDir)).length
}

test('an upload that the client cuts off leaves no file and no row', async () => {
  const service = shared()
  const client = await halfAnUpload(service)

  client.destroy()

  await expectNothingLeft(service)
  await service.line(({ msg, status }) => msg === 'request' && status === 499)
})

test('an upload that misses its deadline is answered 504 and leaves nothing', async (t) => {
  const service = await startService(t, { env: { UPLOAD_TIMEOUT_MS: '1000' } })
  const client = await halfAnUpload(service)
  expect(await answerTo(client)).toMatchObject({ status: 504 })
  await expectNothingLeft(service)
})

test('an upload whose client stalls is answered 408 and leaves nothing', async (t) => {
  const service = await startService(t, { env: { UPLOAD_STALL_MS: '500' } })
  const client = await halfAnUpload(service)
  expect(await answerTo(client)).toMatchObject({ status: 408 })
  await expectNothingLeft(service)
})

test('an upload that a shutdown does not wait for is answered 503 and leaves nothing', async (t) => {
  const service = await startService(t, { env: { SHUTDOWN_DRAIN_MS: '100' } })
  const client = await halfAnUpload(service)

  service.signal('SIGTERM')

  expect(await answerTo(client)).toMatchObject({ status: 503 })
  expect(await service.exited).toEqual({ code: 0, signal: null })
  await expectNothingLeft(service)
})

test('an upload that waits for its row ends when the client leaves, and so does its statement', async () => {
  const service = shared()
  const locker = await service.connect()
  await locker.query('begin; lock table documents in access exclusive mode')
  const body = new FormData()
  body.append(field, new Blob(['x']), 'x')
  const client = new AbortController()
  const posting = fetch(`${service.url}/documents`, { method: 'POST', body, signal: client.signal })
  const rejected = expect(posting).rejects.toThrow()
  await eventually(async () => (await running(service, 'insert into')) === 1)

  client.abort()

  await rejected
  await eventually(async () => (await running(service, 'insert into')) === 0)
  await locker.query('rollback')
  await expectNothingLeft(service)
})

const id = '01890a5d-ac96-774b-bcce-b302099a8057'

test.for([
  ['GET', '/documents', 'order by'],
  ['GET', `/documents/${id}`, 'where'],
  ['GET', `/documents/${id}/content`, 'where'],
  ['DELETE', `/documents/${id}`, 'delete from'],
] as const)(
  'the statement of %s %s ends in Postgres when its client leaves',
  async ([method, path, part]) => {
    const service = shared()
    const locker = await service.connect()
    await locker.query('begin; lock table documents in access exclusive mode')
    const client = open(service.url + path, method)
    await eventually(async () => (await running(service, part)) === 1)

    client.hangUp()

    const ms = await eventually(async () => (await running(service, part)) === 0)
    expect(ms).toBeLessThan(1_000)
    await service.line((line) => line['method'] === method && line['path'] === path && line['status'] === 499)
    await locker.query('rollback')
  },
)

test('a query that misses the deadline ends in Postgres, and the answer is a 504', async (t) => {
  const service = await startService(t, { env: { REQUEST_TIMEOUT_MS: '300' } })
  const locker = await service.connect()
  await locker.query('begin; lock table documents in access exclusive mode')

  const response = await fetch(`${service.url}/documents`)

  expect(response.status).toBe(504)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  await eventually(async () => (await running(service, 'order by')) === 0)
})
