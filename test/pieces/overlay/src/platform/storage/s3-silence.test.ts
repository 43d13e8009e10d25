import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, expect, test, type TestContext } from 'vitest'
import { startS3 } from '../../../test/support/s3.ts'
import { withCancel } from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { openS3Storage } from './s3.ts'

const key = 'notes-01890a5d-ac96-774b-bcce-b302099a8057'
const credentials = { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing' }
beforeAll(() => void Object.assign(process.env, credentials))

const silenceMs = 500
const unavailable = { name: 'Problem', status: 503 }

async function opened(t: TestContext) {
  const ctx = testContext(t)
  const s3 = await startS3(t)
  return { ctx, s3, storage: await openS3Storage(ctx, new URL(s3.url), silenceMs) }
}

test.for([
  ['put', 'PUT'],
  ['open', 'GET'],
  ['delete', 'DELETE'],
] as const)(
  '%s gives up with a 503 Problem if S3 does not answer, and asks once',
  async ([call, method], t) => {
    const { ctx, s3, storage } = await opened(t)
    let asked = 0
    s3.answer(method, key, () => asked++)
    const calls = {
      put: () => storage.put(ctx, key, Readable.from([Buffer.from('x')])),
      open: () => storage.open(ctx, key),
      delete: () => storage.delete(ctx, key),
    }

    const startedAt = performance.now()
    await expect(calls[call]()).rejects.toMatchObject(unavailable)

    expect(performance.now() - startedAt).toBeLessThan(10_000)
    expect(asked).toBe(1)
    await expect.poll(() => s3.open()).toBe(0)
  },
)

test('a part that S3 takes slowly is stored, and one that it stops taking is given up', async (t) => {
  const ctx = testContext(t)
  const link = await startLink(t, (await startS3(t)).url)
  // More than the buffers of the system hold, and less than the whole part takes.
  const patientMs = 3_200
  const storage = await openS3Storage(ctx, new URL(link.url), patientMs)
  const put = () => storage.put(ctx, key, Readable.from([randomBytes(8_000_000)]))
  link.msEach = 250
  const startedAt = performance.now()

  await put()

  expect(performance.now() - startedAt).toBeGreaterThan(patientMs)
  link.msEach = 1e9
  await expect(put()).rejects.toMatchObject(unavailable)
})

const half = (response: ServerResponse) => {
  response.writeHead(200, { 'content-length': 200_000 }).write(randomBytes(100_000))
}

test.for([
  ['is silent', half],
  [
    'breaks the connection',
    (response: ServerResponse) => {
      half(response)
      setTimeout(() => response.destroy(), 50)
    },
  ],
] as const)('a download fails with a 503 Problem if S3 %s half-way', async ([, how], t) => {
  const { ctx, s3, storage } = await opened(t)
  s3.answer('GET', key, how)
  const content = await storage.open(ctx, key)
  let size = 0

  await expect(async () => {
    for await (const chunk of content as AsyncIterable<Buffer>) size += chunk.length
  }).rejects.toMatchObject(unavailable)

  expect(size).toBe(100_000)
  await expect.poll(() => s3.open()).toBe(0)
})

test('a download goes on as long as S3 sends a little', async (t) => {
  const { ctx, s3, storage } = await opened(t)
  s3.answer('GET', key, async (response) => {
    response.writeHead(200, { 'content-length': 10 })
    for (let i = 0; i < 10; i++) {
      response.write('x')
      await delay(silenceMs / 3)
    }
    response.end()
  })

  const chunks = await (await storage.open(ctx, key)).toArray()

  expect(Buffer.concat(chunks as Buffer[]).toString()).toBe('x'.repeat(10))
})

test('a slow reader is no silence: the content comes, however long the reader pauses', async (t) => {
  const { ctx, storage } = await opened(t)
  const bytes = randomBytes(8_000_000)
  await storage.put(ctx, key, Readable.from([bytes]))
  const content = await storage.open(ctx, key)
  await once(content, 'readable')

  await delay(3 * silenceMs)

  const chunks = (await content.toArray()) as Buffer[]
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
})

test('readers that pause hold up no other call, and what they held is released when they leave', async (t) => {
  const ctx = testContext(t)
  const s3 = await startS3(t)
  const storage = await openS3Storage(ctx, new URL(s3.url))
  using readers = withCancel(ctx)
  s3.answer('GET', key, half)
  const paused = await Promise.all(Array.from({ length: 60 }, () => storage.open(readers, key)))

  await storage.delete(ctx, 'another')
  await expect(storage.open(ctx, 'another')).rejects.toThrow('there is no file')

  expect(s3.open()).toBe(60)
  readers.cancel(new Error('the clients left'))
  await expect.poll(() => s3.open()).toBe(0)
  expect(paused.every(({ destroyed }) => destroyed)).toBe(true)
})

/** A link to S3 at `url`, which rests for `msEach` after each 512 KiB on the way there. */
async function startLink(t: TestContext, url: string) {
  const to = new URL(new URL(url).searchParams.get('endpoint') ?? '')
  const sockets = new Set<Socket>()
  const link = { url: '', msEach: 0 }
  const server = createServer((socket) => {
    const target = connect(Number(to.port), to.hostname)
    let passed = 0
    for (const one of [socket, target]) sockets.add(one.on('error', () => undefined))
    target.on('close', () => socket.destroy()).pipe(socket)
    socket.on('close', () => target.destroy())
    socket.on('data', (chunk) => {
      target.write(chunk)
      passed += chunk.length
      if (passed < 512 * 1024) return
      passed = 0
      socket.pause()
      setTimeout(() => socket.resume(), link.msEach)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  link.url = url.replace(`:${to.port}`, `:${(server.address() as AddressInfo).port}`)
  return link
}
