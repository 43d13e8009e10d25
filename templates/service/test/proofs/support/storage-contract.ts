import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test, type TestContext } from 'vitest'
import { withCancel, type Context } from '../../../src/context/context.ts'
import { testContext } from '../../../src/context/test-context.ts'
import { ContentMissing, type Storage } from '../../../src/platform/storage/storage.ts'

/** A new, empty storage, and a view of it from outside. */
export interface StorageUnderTest {
  readonly storage: Storage
  /** The keys that hold content, in order. */
  keys(): Promise<string[]>
  /** How many uploads are under way. */
  underWay(): Promise<number>
  /** Leaves an upload to `key` under way, as a killed process does. */
  cutOff(key: string): Promise<void>
}

export const first = 'notes-01890a5d-ac96-774b-bcce-b302099a8057'
export const second = 'notes-01890a5d-ac96-774b-bcce-b302099a8058'

/** Content that yields `bytes`, and then neither continues nor ends. */
export function unfinished(bytes: Buffer): Readable {
  const content = new Readable({ read: () => undefined })
  content.push(bytes)
  return content
}

/** More than any storage holds in memory before it begins to write. */
const some = randomBytes(9_000_000)
/** The cause of an ended context. `toThrow` would accept `throw undefined`. */
const ended = new Error('over')
const minuteMs = 60_000
/** The first and the last byte of ranges that have no bytes. */
export const noRanges = [
  [5, 3],
  [-2, 3],
  [0, NaN],
  [0.5, 3],
] as const
const keepNothing = (): Promise<Set<string>> => Promise.resolve(new Set())

/** Tests of the contract of every storage, which `src/platform/storage/storage.ts` documents. */
export function testStorage(open: (ctx: Context, t: TestContext) => Promise<StorageUnderTest>): void {
  async function setUp(t: TestContext) {
    const ctx = testContext(t)
    return { ctx, ...(await open(ctx, t)) }
  }

  describe('put', () => {
    test.for([0, 1, 3_000_001, 8 * 1024 * 1024, 20_000_000])(
      'keeps %i bytes and tells their size and hash',
      async (size, t) => {
        const { ctx, storage, keys, underWay } = await setUp(t)
        const bytes = randomBytes(size)

        const chunks = [bytes.subarray(0, 1), bytes.subarray(1)].filter(({ length }) => length > 0)
        const stored = await storage.put(ctx, first, Readable.from(chunks))

        expect(stored).toEqual({ size, sha256: createHash('sha256').update(bytes).digest('hex') })
        expect(await keys()).toEqual([first])
        expect(await underWay()).toBe(0)
        expect(bytes.equals(await buffer(await storage.open(ctx, first)))).toBe(true)
      },
    )

    test('leaves nothing when ctx ends, and rejects with its cause', async (t) => {
      const { ctx, storage, keys, underWay } = await setUp(t)
      using inside = withCancel(ctx)
      const content = unfinished(some)
      const left = new Error('the client left')
      const rejected = expect(storage.put(inside, first, content)).rejects.toBe(left)
      await expect.poll(underWay).toBe(1)

      inside.cancel(left)

      await rejected
      expect([await keys(), await underWay()]).toEqual([[], 0])
      expect(content.errored).toBe(left)
    })

    test('leaves nothing when its content fails, and rejects with the reason', async (t) => {
      const { ctx, storage, keys, underWay } = await setUp(t)
      const content = unfinished(some)
      const cutOff = new Error('cut off')
      const rejected = expect(storage.put(ctx, first, content)).rejects.toBe(cutOff)
      await expect.poll(underWay).toBe(1)

      content.destroy(cutOff)

      await rejected
      expect([await keys(), await underWay()]).toEqual([[], 0])
    })

    test('rejects with the cause when ctx ends at the very end of the content', async (t) => {
      const { ctx, storage, keys, underWay } = await setUp(t)
      using inside = withCancel(ctx)
      const left = new Error('the client left')
      const content = new Readable({ read: () => undefined })
      const rejected = expect(storage.put(inside, first, content)).rejects.toBe(left)
      content.push(some)
      await expect.poll(underWay).toBe(1)
      content.once('end', () => inside.cancel(left))

      content.push(null)

      await rejected
      expect([await keys(), await underWay()]).toEqual([[], 0])
    })

    test('under an ended ctx leaves nothing, and lets go of the content', async (t) => {
      const { ctx, storage, keys, underWay } = await setUp(t)
      const over = withCancel(ctx)
      over.cancel(ended)
      for (const content of [unfinished(Buffer.from('x')), Readable.from([Buffer.from('whole')])]) {
        await expect(storage.put(over, first, content)).rejects.toBe(ended)
        expect(content.destroyed).toBe(true)
      }
      expect([await keys(), await underWay()]).toEqual([[], 0])
    })
  })

  describe('open', () => {
    test('reads a range, both ends included', async (t) => {
      const { ctx, storage } = await setUp(t)
      await storage.put(ctx, first, Readable.from([Buffer.from('0123456789')]))
      expect((await buffer(await storage.open(ctx, first, { start: 2, end: 4 }))).toString()).toBe('234')
      expect((await buffer(await storage.open(ctx, first, { start: 9, end: 9 }))).toString()).toBe('9')
    })

    test('refuses a range that has no bytes', async (t) => {
      const { ctx, storage } = await setUp(t)
      await storage.put(ctx, first, Readable.from([Buffer.from('0123456789')]))
      for (const [start, end] of noRanges) {
        await expect(storage.open(ctx, first, { start, end })).rejects.toThrow('is not a range')
      }
    })

    test('destroys the content with the cause when ctx ends, read or not', async (t) => {
      const { ctx, storage } = await setUp(t)
      await storage.put(ctx, first, Readable.from([some]))
      using inside = withCancel(ctx)
      const [unread, begun] = [await storage.open(inside, first), await storage.open(inside, first)]
      for await (const chunk of begun.iterator({ destroyOnReturn: false })) {
        expect(chunk).toBeInstanceOf(Buffer)
        break
      }
      const left = new Error('the client left')

      inside.cancel(left)

      await expect(buffer(unread)).rejects.toBe(left)
      await expect(buffer(begun)).rejects.toBe(left)
    })

    test('of nothing is ContentMissing', async (t) => {
      const { ctx, storage } = await setUp(t)
      await expect(storage.open(ctx, first)).rejects.toBeInstanceOf(ContentMissing)
    })

    test('under an ended ctx rejects with its cause', async (t) => {
      const { ctx, storage } = await setUp(t)
      await storage.put(ctx, first, Readable.from([Buffer.from('x')]))
      const over = withCancel(ctx)
      over.cancel(ended)
      await expect(storage.open(over, first)).rejects.toBe(ended)
    })
  })

  test('delete removes, and finds nothing wrong with what is gone already', async (t) => {
    const { ctx, storage, keys } = await setUp(t)
    await storage.put(ctx, first, Readable.from([Buffer.from('x')]))
    await storage.delete(ctx, first)
    await storage.delete(ctx, first)
    expect(await keys()).toEqual([])
  })

  test('delete removes nothing under an ended ctx', async (t) => {
    const { ctx, storage, keys } = await setUp(t)
    await storage.put(ctx, first, Readable.from([Buffer.from('x')]))
    const over = withCancel(ctx)
    over.cancel(ended)
    await expect(storage.delete(over, first)).rejects.toBe(ended)
    // Longer than a removal would take.
    await storage.put(ctx, second, Readable.from([Buffer.from('x')]))
    expect(await keys()).toEqual([first, second])
  })

  test('refuses whatever could lead out of its place as a key', async (t) => {
    const { ctx, storage } = await setUp(t)
    for (const key of ['', '..', '../up', 'a/b', '/etc/passwd', '.hidden', 'a\0b', 'a b', `${first}.part`]) {
      await expect(storage.put(ctx, key, Readable.from(['x'])), key).rejects.toThrow('is not a key')
      await expect(storage.open(ctx, key), key).rejects.toThrow('is not a key')
      await expect(storage.delete(ctx, key), key).rejects.toThrow('is not a key')
    }
  })

  describe('sweep', () => {
    test('removes what is old and not to be kept, and leaves what is young', async (t) => {
      const { ctx, storage, keys, underWay, cutOff } = await setUp(t)
      for (const key of [first, second]) await storage.put(ctx, key, Readable.from([Buffer.from('x')]))
      await cutOff(first.replace('8057', '8059'))
      const keep = (): Promise<Set<string>> => Promise.resolve(new Set([second]))

      expect(await storage.sweep(ctx, { prefix: 'notes-', olderThanMs: minuteMs, keep })).toBe(0)
      expect([await keys(), await underWay()]).toEqual([[first, second], 1])

      // Older than a time in a minute from now: everything.
      expect(await storage.sweep(ctx, { prefix: 'notes-', olderThanMs: -minuteMs, keep })).toBe(2)
      expect([await keys(), await underWay()]).toEqual([[second], 0])
    })

    test('leaves alone what has another prefix, even one that begins like its own', async (t) => {
      const { ctx, storage, keys, underWay, cutOff } = await setUp(t)
      const others = [`letters-${first.slice(6)}`, 'notes-', `notes-${first}`, 'notes-x']
      for (const key of others) await storage.put(ctx, key, Readable.from([Buffer.from('x')]))
      await cutOff(`notes-${second}`)

      const options = { prefix: 'notes-', olderThanMs: -minuteMs, keep: keepNothing }

      expect(await storage.sweep(ctx, options)).toBe(0)
      expect([await keys(), await underWay()]).toEqual([others, 1])
    })

    test('removes nothing under an ended ctx, nor after its end', async (t) => {
      const { ctx, storage, keys } = await setUp(t)
      await storage.put(ctx, first, Readable.from([Buffer.from('x')]))
      const over = withCancel(ctx)
      const end = (): Promise<Set<string>> => {
        over.cancel(ended)
        return keepNothing()
      }
      for (const keep of [end, keepNothing]) {
        const sweeping = storage.sweep(over, { prefix: 'notes-', olderThanMs: -minuteMs, keep })
        await expect(sweeping).rejects.toBe(ended)
        expect(await keys()).toEqual([first])
      }
    })
  })
}
