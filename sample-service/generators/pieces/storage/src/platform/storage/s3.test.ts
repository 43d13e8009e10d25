import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { beforeAll, expect, test } from 'vitest'
import { startS3 } from '../../../test/support/s3.ts'
import { startService } from '../../../test/support/service.ts'
import { withCancel, type Context } from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { openS3Storage } from './s3.ts'
import { ContentMissing, type Storage } from './storage.ts'

const first = 'notes-01890a5d-ac96-774b-bcce-b302099a8057'
const second = 'notes-01890a5d-ac96-774b-bcce-b302099a8058'
const credentials = { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing' }
beforeAll(() => void Object.assign(process.env, credentials))

test('content comes back byte for byte, whole or in part, until it is deleted', async (t) => {
  const ctx = testContext(t)
  const storage = await openS3Storage(ctx, new URL((await startS3(t)).url))
  const bytes = randomBytes(9_000_000)

  expect(await storage.put(ctx, first, Readable.from([bytes]))).toMatchObject({ size: bytes.length })

  expect(bytes.equals(await buffer(await storage.open(ctx, first)))).toBe(true)
  const part = await buffer(await storage.open(ctx, first, { start: 1, end: 3 }))
  expect(part.equals(bytes.subarray(1, 4))).toBe(true)
  await storage.delete(ctx, first)
  await expect(storage.open(ctx, first)).rejects.toThrow(ContentMissing)
})

test('a sweep removes objects that no row names', async (t) => {
  const ctx = testContext(t)
  const storage = await openS3Storage(ctx, new URL((await startS3(t)).url))
  for (const key of [first, second]) await storage.put(ctx, key, Readable.from([Buffer.from('x')]))

  const options = { prefix: 'notes-', olderThanMs: -60_000, keep: () => Promise.resolve(new Set([second])) }
  expect(await storage.sweep(ctx, options)).toBe(1)

  await expect(storage.open(ctx, first)).rejects.toThrow(ContentMissing)
  expect((await buffer(await storage.open(ctx, second))).toString()).toBe('x')
})

const put = (size: number) => (ctx: Context, storage: Storage) =>
  storage.put(ctx, first, Readable.from([randomBytes(size)]))

test.for([
  ['put', 'PUT', 'partNumber=1', put(9_000_000)],
  ['put', 'POST', 'uploads', put(9_000_000)],
  ['put', 'POST', 'uploadId', put(9_000_000)],
  ['put', 'PUT', first, put(1)],
  ['open', 'GET', first, (ctx, storage) => storage.open(ctx, first)],
  ['delete', 'DELETE', first, (ctx, storage) => storage.delete(ctx, first)],
] as [string, string, string, (ctx: Context, storage: Storage) => Promise<unknown>][])(
  '%s ends with ctx, if S3 does not answer %s …%s',
  async ([, method, words, call], t) => {
    const ctx = testContext(t)
    const s3 = await startS3(t)
    const storage = await openS3Storage(ctx, new URL(s3.url))
    using inside = withCancel(ctx)
    const held = s3.hold(method, words)
    const left = new Error('the client left')
    const rejected = expect(call(inside, storage)).rejects.toBe(left)
    await held

    inside.cancel(left)

    await rejected
    await expect.poll(() => s3.open()).toBe(0)
  },
)

test('a service starts if STORAGE_URL names a bucket', async (t) => {
  const url = (await startS3(t)).url
  const service = await startService(t, { env: { ...credentials, STORAGE_URL: url } })
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
})

test('a service does not start if STORAGE_URL names no bucket, and says so', async (t) => {
  const url = (await startS3(t)).url.replace('bucket', 'other')
  await expect(startService(t, { env: { ...credentials, STORAGE_URL: url } })).rejects.toThrow(
    'the bucket other (STORAGE_URL) cannot be used: ',
  )
})

test.for([
  's3://',
  's3://bucket?endpont=http://127.0.0.1',
  's3://key:secret@bucket',
  's3://bucket:9000/prefix',
  's3://bucket/50%off',
  's3://bucket?region=',
  's3://bucket?endpoint=127.0.0.1:9000',
])('%s is refused', async (url, t) => {
  await expect(openS3Storage(testContext(t), new URL(url))).rejects.toThrow('STORAGE_URL must be s3://')
})
