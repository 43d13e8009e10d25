import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { beforeAll, describe, expect, test, type TestContext } from 'vitest'
import { startS3 } from '../../../test/support/s3.ts'
import {
  first,
  second,
  testStorage,
  type StorageUnderTest,
} from '../../../test/proofs/support/storage-contract.ts'
import type { Context } from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { openS3Storage } from './s3.ts'

const real = process.env['TEST_STORAGE_URL']
const credentials = { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing' }
beforeAll(() => {
  if (real === undefined) Object.assign(process.env, credentials)
})

/** The protocol in memory, or a folder of its own in the bucket of TEST_STORAGE_URL. */
async function setUp(ctx: Context, t: TestContext): Promise<StorageUnderTest> {
  const url = new URL(real ?? (await startS3(t)).url)
  url.pathname += `/${randomUUID()}`
  const [Bucket, Prefix] = [url.hostname, `${url.pathname.replace(/^\/+/, '')}/`]
  const endpoint = url.searchParams.get('endpoint')
  const region = url.searchParams.get('region') ?? 'us-east-1'
  const s3 = new S3Client({ region, ...(endpoint !== null && { endpoint, forcePathStyle: true }) })
  t.onTestFinished(() => s3.destroy())
  const keys = async (): Promise<string[]> => {
    const names: string[] = []
    let token: string | undefined
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken: token }))
      names.push(...(page.Contents ?? []).map(({ Key = '' }) => Key.slice(Prefix.length)))
      token = page.NextContinuationToken
    } while (token !== undefined)
    return names
  }
  t.onTestFinished(async () => {
    if (real === undefined) return
    for (const key of await keys()) await s3.send(new DeleteObjectCommand({ Bucket, Key: Prefix + key }))
  })
  return {
    storage: await openS3Storage(ctx, url),
    keys,
    underWay: async () => {
      const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix }))
      return Uploads.length
    },
    cutOff: async (key) => {
      await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: Prefix + key }))
    },
  }
}

testStorage(setUp)

test('a sweep reads every page of the list', async (t) => {
  const ctx = testContext(t)
  const { storage, keys, underWay, cutOff } = await setUp(ctx, t)
  const all = Array.from({ length: 5 }, (_, index) => first.slice(0, -1) + String(index))
  for (const key of all) {
    await storage.put(ctx, key, Readable.from([Buffer.from('x')]))
    await cutOff(key)
  }
  const options = { prefix: 'notes-', olderThanMs: -60_000, keep: () => Promise.resolve(new Set<string>()) }
  expect(await storage.sweep(ctx, options)).toBe(10)
  expect([await keys(), await underWay()]).toEqual([[], 0])
})

describe.skipIf(real !== undefined)('a sweep that the store or the role forbids', () => {
  test.for([
    ['ListObjectsV2', 'GET', 'list-type=2', [first, second] as string[]],
    ['DeleteObject', 'DELETE', first, [first] as string[]],
    ['ListMultipartUploads', 'GET', 'uploads', [] as string[]],
    ['AbortMultipartUpload', 'DELETE', 'uploadId', [] as string[]],
  ] as const)('names STORAGE_URL and %s, and removes what it may', async ([call, method, words, left], t) => {
    const ctx = testContext(t)
    const s3 = await startS3(t)
    const storage = await openS3Storage(ctx, new URL(s3.url))
    for (const key of [first, second]) await storage.put(ctx, key, Readable.from([Buffer.from('x')]))
    const url = new URL(s3.url)
    const other = new S3Client({
      region: 'us-east-1',
      endpoint: url.searchParams.get('endpoint') ?? '',
      forcePathStyle: true,
    })
    t.onTestFinished(() => other.destroy())
    const Key = `${url.pathname.slice(1)}/${first}`
    await other.send(new CreateMultipartUploadCommand({ Bucket: url.hostname, Key }))
    s3.deny(method, words, 403)
    const options = {
      prefix: 'notes-',
      olderThanMs: -60_000,
      keep: () => Promise.resolve(new Set<string>()),
    }

    await expect(storage.sweep(ctx, options)).rejects.toThrow(
      `the bucket bucket (STORAGE_URL) refuses ${call}: AccessDenied`,
    )

    const opened = await Promise.allSettled([first, second].map((key) => storage.open(ctx, key)))
    const there = opened.map((one) => one.status === 'fulfilled' && one.value.destroy().destroyed)
    expect(there).toEqual([left.includes(first), left.includes(second)])
  })
})

test('the parts of a long upload leave no listeners on the signal', async (t) => {
  const ctx = testContext(t)
  const { storage } = await setUp(ctx, t)
  const warnings: Error[] = []
  const listen = (warning: Error): void => void warnings.push(warning)
  process.on('warning', listen)
  t.onTestFinished(() => void process.off('warning', listen))
  const chunk = randomBytes(1024 * 1024)
  const chunks = Array.from({ length: 100 }, () => chunk)
  expect(await storage.put(ctx, first, Readable.from(chunks))).toMatchObject({ size: 100 * chunk.length })
  expect(warnings).toEqual([])
})
