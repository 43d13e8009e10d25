import { existsSync } from 'node:fs'
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readlink,
  rm,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test, vi, type TestContext } from 'vitest'
import {
  first,
  noRanges,
  second,
  testStorage,
  unfinished,
  type StorageUnderTest,
} from '../../support/storage-contract.ts'
import { withCancel, type Context } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { openDirectory } from '../../../../src/platform/storage/directory.ts'

async function setUp(ctx: Context, t: TestContext): Promise<StorageUnderTest & { directory: string }> {
  const parent = await mkdtemp(join(tmpdir(), 'storage-'))
  t.onTestFinished(() => rm(parent, { recursive: true, force: true }))
  const directory = join(parent, 'made', 'on', 'opening')
  const storage = await openDirectory(ctx, directory)
  const names = async (underWay: boolean): Promise<string[]> =>
    (await readdir(directory)).filter((name) => name.endsWith('.part') === underWay).sort()
  return {
    directory,
    storage,
    keys: () => names(false),
    underWay: async () => (await names(true)).length,
    cutOff: (key) => writeFile(join(directory, `${key}.part`), 'x'),
  }
}

testStorage(setUp)

test('put refuses a key that another upload is writing, and does not harm that upload', async (t) => {
  const ctx = testContext(t)
  const { storage, underWay } = await setUp(ctx, t)
  const content = unfinished(Buffer.from('one'))
  const putting = storage.put(ctx, first, content)
  await expect.poll(underWay).toBe(1)

  await expect(storage.put(ctx, first, Readable.from(['two']))).rejects.toThrow('EEXIST')

  content.push(null)
  expect(await putting).toMatchObject({ size: 3 })
})

/** Makes fsync of a directory fail with `code`, as some file systems of networks and virtual machines answer. */
async function withoutDirectorySync(t: TestContext, code: string): Promise<void> {
  const handle = await open(tmpdir(), 'r')
  await handle.close()
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  const { sync } = prototype
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    if ((await this.stat()).isDirectory()) throw Object.assign(new Error(`${code}: fsync`), { code })
    await sync.call(this)
  })
  t.onTestFinished(() => spy.mockRestore())
}

test.for(['EINVAL', 'ENOTSUP', 'ENOSYS'])(
  'put works on a file system without fsync of directories: %s',
  async (code, t) => {
    const ctx = testContext(t)
    const { storage, keys } = await setUp(ctx, t)
    await withoutDirectorySync(t, code)

    expect(await storage.put(ctx, first, Readable.from(['one']))).toMatchObject({ size: 3 })

    expect(await keys()).toEqual([first])
  },
)

test('put fails if the disk fails, and leaves nothing', async (t) => {
  const ctx = testContext(t)
  const { storage, keys } = await setUp(ctx, t)
  await withoutDirectorySync(t, 'EIO')

  await expect(storage.put(ctx, first, Readable.from(['one']))).rejects.toThrow('EIO')

  expect(await keys()).toEqual([])
})

test('put answers a full disk with 507, even if what it has written cannot be removed', async (t) => {
  const ctx = testContext(t)
  const { storage, directory, underWay } = await setUp(ctx, t)
  const part = join(directory, `${first}.part`)
  async function* content(): AsyncGenerator<string> {
    yield 'one'
    await expect.poll(underWay).toBe(1)
    await rm(part)
    // rm without `recursive` refuses a directory.
    await mkdir(part)
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }

  await expect(storage.put(ctx, first, Readable.from(content()))).rejects.toMatchObject({ status: 507 })
})

test.runIf(existsSync('/proc/self/fd'))('a range that has no bytes leaves no file open', async (t) => {
  const ctx = testContext(t)
  const { storage, directory } = await setUp(ctx, t)
  await storage.put(ctx, first, Readable.from(['one']))

  for (const [start, end] of noRanges) await storage.open(ctx, first, { start, end }).catch(() => undefined)

  const descriptors = await readdir('/proc/self/fd')
  const open = descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ''))
  expect(await Promise.all(open)).not.toContain(join(directory, first))
})

test('sweep looks at the time of each file', async (t) => {
  const ctx = testContext(t)
  const { storage, directory } = await setUp(ctx, t)
  const old = new Date(Date.now() - 60_000)
  for (const name of [first, `${first}.part`, second, `${second}.part`]) {
    await writeFile(join(directory, name), 'x')
    if (name.startsWith(first)) await utimes(join(directory, name), old, old)
  }
  const keep = (): Promise<Set<string>> => Promise.resolve(new Set())

  expect(await storage.sweep(ctx, { prefix: 'notes-', olderThanMs: 30_000, keep })).toBe(2)

  expect((await readdir(directory)).sort()).toEqual([second, `${second}.part`])
})

test('the error about an unusable directory is one sentence', async (t) => {
  const ctx = testContext(t)
  const { storage, directory } = await setUp(ctx, t)
  await storage.put(ctx, first, Readable.from(['x']))
  const notOne = join(directory, first)
  await expect(openDirectory(ctx, notOne)).rejects.toThrow(
    `the upload directory ${notOne} (UPLOAD_DIR) cannot be used: `,
  )
})

test('opening a directory under an ended ctx rejects with the cause', async (t) => {
  const ctx = testContext(t)
  const { directory } = await setUp(ctx, t)
  const over = withCancel(ctx)
  const why = new Error('over')
  over.cancel(why)
  await expect(openDirectory(over, directory)).rejects.toBe(why)
})
