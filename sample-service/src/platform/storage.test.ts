import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test, type TestContext } from 'vitest'
import { withCancel, type Context } from '../context/context.ts'
import { testContext } from '../context/test-context.ts'
import { ContentMissing, openStorage, type Storage } from './storage.ts'

const first = 'notes-01890a5d-ac96-774b-bcce-b302099a8057'
const second = 'notes-01890a5d-ac96-774b-bcce-b302099a8058'

async function setUp(t: TestContext): Promise<{ ctx: Context; storage: Storage; directory: string }> {
  const ctx = testContext(t)
  const parent = await mkdtemp(join(tmpdir(), 'storage-'))
  t.onTestFinished(() => rm(parent, { recursive: true, force: true }))
  const directory = join(parent, 'made', 'on', 'opening')
  return { ctx, storage: await openStorage(ctx, directory), directory }
}

/** A content that hands out `bytes`, and then neither goes on nor ends. */
function unfinished(bytes: Buffer): Readable {
  const content = new Readable({ read: () => undefined })
  content.push(bytes)
  return content
}

describe('put', () => {
  test('keeps the bytes and tells their size and hash', async (t) => {
    const { ctx, storage, directory } = await setUp(t)
    const bytes = randomBytes(3_000_001)

    const stored = await storage.put(ctx, first, Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]))

    expect(stored).toEqual({ size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
    expect(await readdir(directory)).toEqual([first])
    expect(bytes.equals(await buffer(await storage.open(ctx, first)))).toBe(true)
  })

  test('keeps an empty content', async (t) => {
    const { ctx, storage } = await setUp(t)
    expect(await storage.put(ctx, first, Readable.from([]))).toMatchObject({ size: 0 })
    expect(await buffer(await storage.open(ctx, first))).toHaveLength(0)
  })

  test('leaves nothing when ctx ends, and rejects with its cause', async (t) => {
    const { ctx, storage, directory } = await setUp(t)
    using inside = withCancel(ctx)
    const content = unfinished(randomBytes(200_000))
    const putting = storage.put(inside, first, content)
    const left = new Error('the client left')
    const rejected = expect(putting).rejects.toBe(left)
    await expect.poll(() => readdir(directory)).toEqual([`${first}.part`])

    inside.cancel(left)

    await rejected
    expect(await readdir(directory)).toEqual([])
    expect(content.destroyed).toBe(true)
  })

  test('leaves nothing when its content fails, and rejects with the reason', async (t) => {
    const { ctx, storage, directory } = await setUp(t)
    const content = unfinished(randomBytes(200_000))
    const putting = storage.put(ctx, first, content)
    const cutOff = new Error('cut off')
    const rejected = expect(putting).rejects.toBe(cutOff)
    await expect.poll(() => readdir(directory)).toEqual([`${first}.part`])

    content.destroy(cutOff)

    await rejected
    expect(await readdir(directory)).toEqual([])
  })

  test('under an ended ctx leaves nothing, and lets go of the content', async (t) => {
    const { ctx, storage, directory } = await setUp(t)
    const over = withCancel(ctx)
    over.cancel(new Error('over'))
    const content = unfinished(randomBytes(10))

    await expect(storage.put(over, first, content)).rejects.toThrow('over')

    expect(content.destroyed).toBe(true)
    expect(await readdir(directory)).toEqual([])
  })

  test('does not take a key that another upload is writing to, nor harm that upload', async (t) => {
    const { ctx, storage, directory } = await setUp(t)
    const content = unfinished(Buffer.from('one'))
    const putting = storage.put(ctx, first, content)
    await expect.poll(() => readdir(directory)).toEqual([`${first}.part`])

    await expect(storage.put(ctx, first, Readable.from(['two']))).rejects.toThrow('EEXIST')

    content.push(null)
    expect(await putting).toMatchObject({ size: 3 })
  })
})

test('refuses whatever could lead out of its directory as a key', async (t) => {
  const { ctx, storage } = await setUp(t)
  for (const key of ['', '..', '../up', 'a/b', '/etc/passwd', '.hidden', 'a\0b', 'a b', `${first}.part`]) {
    await expect(storage.put(ctx, key, Readable.from(['x'])), key).rejects.toThrow('is no key')
    await expect(storage.open(ctx, key), key).rejects.toThrow('is no key')
    await expect(storage.delete(ctx, key), key).rejects.toThrow('is no key')
  }
})

describe('open', () => {
  test('reads a range, both ends included', async (t) => {
    const { ctx, storage } = await setUp(t)
    await storage.put(ctx, first, Readable.from(['0123456789']))
    expect((await buffer(await storage.open(ctx, first, { start: 2, end: 4 }))).toString()).toBe('234')
    expect((await buffer(await storage.open(ctx, first, { start: 9, end: 9 }))).toString()).toBe('9')
  })

  test('destroys the content with the cause when ctx ends', async (t) => {
    const { ctx, storage } = await setUp(t)
    await storage.put(ctx, first, Readable.from([randomBytes(1_000_000)]))
    using inside = withCancel(ctx)
    const content = await storage.open(inside, first)
    const left = new Error('the client left')

    inside.cancel(left)

    await expect(buffer(content)).rejects.toBe(left)
  })

  test('of nothing is ContentMissing', async (t) => {
    const { ctx, storage } = await setUp(t)
    await expect(storage.open(ctx, first)).rejects.toBeInstanceOf(ContentMissing)
  })
})

test('delete removes, and finds nothing wrong with what is gone already', async (t) => {
  const { ctx, storage, directory } = await setUp(t)
  await storage.put(ctx, first, Readable.from(['x']))
  await storage.delete(ctx, first)
  await storage.delete(ctx, first)
  expect(await readdir(directory)).toEqual([])
})

test('delete removes nothing under an ended ctx', async (t) => {
  const { ctx, storage, directory } = await setUp(t)
  await storage.put(ctx, first, Readable.from(['x']))
  const over = withCancel(ctx)
  over.cancel(new Error('over'))
  await expect(storage.delete(over, first)).rejects.toThrow('over')
  // Takes longer than a removal would.
  await storage.put(ctx, second, Readable.from(['x']))
  expect((await readdir(directory)).sort()).toEqual([first, second])
})

describe('sweep', () => {
  test('removes what is old and not to be kept, and keeps the young', async (t) => {
    const { ctx, storage, directory } = await setUp(t)
    const old = new Date(Date.now() - 60_000)
    for (const name of [first, `${first}.part`, second, `${second}.part`]) {
      await writeFile(join(directory, name), 'x')
      if (name !== `${second}.part`) await utimes(join(directory, name), old, old)
    }

    const options = { prefix: 'notes-', olderThanMs: 30_000, keep: () => Promise.resolve(new Set([second])) }
    const removed = await storage.sweep(ctx, options)

    expect(removed).toBe(2)
    expect(await readdir(directory)).toEqual([second, `${second}.part`])
  })

  test('leaves alone what has another prefix, also one that begins like its own', async (t) => {
    const { ctx, storage, directory } = await setUp(t)
    const others = [`letters-${first.slice(6)}`, `notes-notes-${first.slice(6)}`, 'notes-', 'notes-x.part']
    const old = new Date(0)
    for (const name of others) {
      await writeFile(join(directory, name), 'x')
      await utimes(join(directory, name), old, old)
    }

    const options = { prefix: 'notes-', olderThanMs: 0, keep: () => Promise.resolve(new Set<string>()) }

    expect(await storage.sweep(ctx, options)).toBe(0)
    expect(await readdir(directory)).toEqual(others.sort())
  })
})

test('a directory that cannot be used is told in one sentence', async (t) => {
  const { ctx, storage, directory } = await setUp(t)
  await storage.put(ctx, first, Readable.from(['x']))
  const notOne = join(directory, first)
  await expect(openStorage(ctx, notOne)).rejects.toThrow(
    `the upload directory ${notOne} (UPLOAD_DIR) cannot be used: `,
  )
})
