import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, opendir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { throwIfEnded, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { insufficientStorage } from '../problem.ts'
import {
  checkedKey,
  checkedRange,
  consuming,
  ContentMissing,
  endingWith,
  isKeyOf,
  unfinished,
} from './storage.ts'
import type { Storage, Stored } from './storage.ts'

const sweepBatch = 1_000
/** How many bytes collect while the disk writes. The next write takes them all. */
const writeBytes = 1024 * 1024
/** How many bytes to write between syncs. A sync while more bytes arrive leaves little for the one at the end. */
const syncEveryBytes = 8 * 1024 * 1024

/**
 * Opens storage in one directory, which it makes if needed. The directory holds files and unfinished uploads, no
 * folders and nothing else.
 * @throws Error of one sentence if the service cannot use the directory
 */
export async function openDirectory(ctx: Context, directory: string): Promise<Storage> {
  try {
    await until(ctx, mkdir(directory, { recursive: true }))
    await until(ctx, access(directory, constants.R_OK | constants.W_OK | constants.X_OK))
  } catch (error) {
    throwIfEnded(ctx)
    const { message } = errorOf(error)
    throw new Error(`the upload directory ${directory} (UPLOAD_DIR) cannot be used: ${message}`, {
      cause: error,
    })
  }
  const pathOf = (key: string): string => join(directory, checkedKey(key))
  return {
    put: (ctx, key, content) =>
      consuming(ctx, content, () => write(ctx, directory, pathOf(key), content).catch(noRoom)),

    async open(ctx, key, range) {
      throwIfEnded(ctx)
      // Before the file is opened, so that a failure leaves nothing open.
      const bytes = checkedRange(range)
      const handle = await open(pathOf(key), 'r').catch(missing)
      return endingWith(ctx, handle.createReadStream({ ...bytes }))
    },

    async delete(ctx, key) {
      throwIfEnded(ctx)
      await until(ctx, rm(pathOf(key), { force: true }))
    },

    async sweep(ctx, { prefix, olderThanMs, keep }) {
      const writtenBefore = Date.now() - olderThanMs
      let removed = 0
      for await (const names of namesIn(directory, prefix)) {
        const old = await olderThan(directory, names, writtenBefore)
        const keys = old.filter((name) => !name.endsWith(unfinished))
        const kept = keys.length === 0 ? new Set<string>() : await keep(keys)
        throwIfEnded(ctx)
        const left = old.filter((name) => !kept.has(name))
        await Promise.all(left.map((name) => rm(join(directory, name), { force: true })))
        removed += left.length
      }
      return removed
    },
  }
}

async function write(ctx: Context, directory: string, path: string, content: Readable): Promise<Stored> {
  const part = path + unfinished
  // Exclusive: two uploads to one key would mix their bytes.
  const handle = await open(part, 'wx', 0o600)
  try {
    const stored = await fill(ctx, handle, content)
    throwIfEnded(ctx)
    await rename(part, path)
    await syncDirectory(directory)
    return stored
  } catch (error) {
    // sweep later removes what this cannot. The first error says why the upload failed.
    await Promise.allSettled([part, path].map((left) => rm(left, { force: true })))
    throw error
  }
}

async function fill(ctx: Context, handle: FileHandle, content: Readable): Promise<Stored> {
  const hash = createHash('sha256')
  let size = 0
  using syncs = group(ctx)
  async function* measured(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let unsynced = 0
    for await (const chunk of chunks) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
      if ((unsynced += chunk.length) < syncEveryBytes) continue
      unsynced = 0
      syncs.go(() => handle.datasync())
    }
  }
  await closing(handle, async () => {
    // flush syncs the file before it is closed.
    const file = handle.createWriteStream({ flush: true, highWaterMark: writeBytes })
    await until(ctx, pipeline(content, measured, file))
    await syncs.wait()
  })
  return { size, sha256: hash.digest('hex') }
}

/** Makes a rename durable. Windows cannot open a directory, and NTFS does not need it. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  await closing(handle, () => handle.sync().catch(unsupported))
}

/** Calls `work`, then closes `handle`. @throws what `work` throws, even if `handle` then cannot be closed */
async function closing(handle: FileHandle, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    // close waits for operations on the handle that are still running.
    await handle.close().catch(() => undefined)
    throw error
  }
  await handle.close()
}

/** Some network, virtual and FUSE file systems have no fsync of a directory. */
function unsupported(error: unknown): void {
  if (!hasCode(error, 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF')) throw error
}

/** Lists files and unfinished uploads whose key is `prefix` and a UUID, in batches. */
async function* namesIn(directory: string, prefix: string): AsyncGenerator<string[]> {
  let names: string[] = []
  for await (const { name } of await opendir(directory)) {
    const key = name.endsWith(unfinished) ? name.slice(0, -unfinished.length) : name
    if (!isKeyOf(prefix, key)) continue
    names.push(name)
    if (names.length < sweepBatch) continue
    yield names
    names = []
  }
  yield names
}

/** Returns those last written before `time` (epoch milliseconds). */
async function olderThan(directory: string, names: readonly string[], time: number): Promise<string[]> {
  const writtenAt = async (name: string): Promise<number> => (await stat(join(directory, name))).mtimeMs
  // Another process may have removed a file meanwhile.
  const times = await Promise.all(names.map((name) => writtenAt(name).catch(gone)))
  return names.filter((_, index) => (times[index] ?? Infinity) < time)
}

function noRoom(error: unknown): never {
  if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error
  throw insufficientStorage('the storage has no room for the file', error)
}

function gone(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error
}

function missing(error: unknown): never {
  if (!hasCode(error, 'ENOENT')) throw error
  throw new ContentMissing('storage: there is no file with this key', { cause: error })
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
