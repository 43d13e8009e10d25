import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, opendir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterFunc, cause, throwIfEnded, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { group } from '../../context/group.ts'
import { until } from '../../context/until.ts'
import { insufficientStorage } from '../problem.ts'
import { unwound } from '../telemetry/metrics.ts'

/** A kind of storage that STORAGE_URL can name. */
export interface StorageScheme {
  /** With its colon: `s3:`. */
  readonly protocol: string
  /** @throws Error of one sentence if what `url` names cannot be used */
  open(ctx: Context, url: URL): Promise<Storage>
}

/** Where bytes are kept, each content under a key of letters, digits, `.`, `_` and `-`. */
export interface Storage {
  /**
   * Keeps `content` under `key`, durably: what has resolved is there after a power cut. Whatever keeps it from
   * resolving leaves nothing behind, `kill -9` excepted (see `sweep`).
   * @returns bytes, and their SHA-256 in hex
   * @throws the cause of ctx when it ends first; what `content` was destroyed with; Problem 507 if there is no room;
   * what else the file system says
   */
  put(ctx: Context, key: string, content: Readable): Promise<Stored>
  /**
   * The bytes from `start` to `end` (inclusive; all if not given). Destroyed with the cause when ctx ends.
   * @throws ContentMissing
   */
  open(ctx: Context, key: string, range?: ByteRange): Promise<Readable>
  /** Removes what is under `key`; it is no error if nothing is. */
  delete(ctx: Context, key: string): Promise<void>
  /**
   * Removes what a killed process left: contents whose key is `prefix` and a UUID, and uploads to such a key, if they
   * were last written more than `olderThanMs` ago. Younger ones may be under way in another process.
   * @param options.keep of these keys, those that must stay; asked after their age was seen
   * @returns how many were removed
   */
  sweep(ctx: Context, options: SweepOptions): Promise<number>
}

export interface Stored {
  readonly size: number
  readonly sha256: string
}

/** Both ends are included, as in HTTP. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface SweepOptions {
  readonly prefix: string
  readonly olderThanMs: number
  readonly keep: (keys: readonly string[]) => Promise<ReadonlySet<string>>
}

/** There is nothing under this key. */
export class ContentMissing extends Error {
  override readonly name = 'ContentMissing'
}

/** The suffix of an upload under way: a key of its own shape, so that no content can be taken for one. */
const underWay = '.part'
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const sweepBatch = 1_000
/** What may wait while the disk writes: it is then written in one go. */
const writeBytes = 1024 * 1024
/** The disk is set to work after each so many bytes, while more arrive: the sync at the end finds little to do. */
const syncEveryBytes = 8 * 1024 * 1024

/**
 * For a storage's `put`: does `work`, which reads `content`, and destroys the content with the cause when ctx ends.
 * @throws the cause of ctx when it has ended, whatever became of the work; what `work` throws
 */
export async function consuming<T>(ctx: Context, content: Readable, work: () => Promise<T>): Promise<T> {
  // Destroyed below, perhaps before anything reads it: an error without a listener ends the process.
  content.on('error', () => undefined)
  let endedAt: number | undefined
  const stop = afterFunc(ctx, (reason) => {
    endedAt = performance.now()
    content.destroy(reason)
  })
  try {
    return await work()
  } catch (error) {
    const reason = ctx.err === undefined ? error : cause(ctx)
    // Whoever fills it waits until it is read.
    content.destroy(errorOf(reason))
    throw reason
  } finally {
    stop()
    if (endedAt !== undefined) unwound(ctx, 'storage', endedAt)
  }
}

/** For a storage's `open`: `content`, which is destroyed with the cause when ctx ends. */
export function endingWith(ctx: Context, content: Readable): Readable {
  const stop = afterFunc(ctx, (reason) => content.destroy(reason))
  content.once('close', stop)
  // Who reads it learns of its end all the same; who has not begun to would end the process.
  content.on('error', () => undefined)
  return content
}

/** `key`, if nothing in it could lead out of where it belongs. */
export function checkedKey(key: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(key) && !key.endsWith(underWay)) return key
  throw new Error(
    `storage: "${key}" is no key: use letters, digits, '.', '_' and '-', and no ${underWay} at the end`,
  )
}

/** Whether `key` is `prefix` and a UUID: the prefix of one noun may begin another's. */
export function isKeyOf(prefix: string, key: string): boolean {
  return key.startsWith(prefix) && uuid.test(key.slice(prefix.length))
}

/**
 * Storage in one directory of the file system, which is made if it is not there. It holds contents and uploads under
 * way, nothing else, and no folders.
 * @throws Error of one sentence if the directory cannot be used
 */
export async function openStorage(ctx: Context, directory: string): Promise<Storage> {
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
  return {
    put: (ctx, key, content) =>
      consuming(ctx, content, () => write(ctx, directory, pathOf(directory, key), content).catch(tellFull)),

    async open(ctx, key, range) {
      const handle = await openFile(pathOf(directory, key))
      if (ctx.err !== undefined) {
        await handle.close()
        throw cause(ctx)
      }
      return endingWith(ctx, handle.createReadStream({ ...range }))
    },

    async delete(ctx, key) {
      throwIfEnded(ctx)
      await until(ctx, rm(pathOf(directory, key), { force: true }))
    },

    async sweep(ctx, { prefix, olderThanMs, keep }) {
      const writtenBefore = Date.now() - olderThanMs
      let removed = 0
      for await (const names of namesIn(directory, prefix)) {
        const old = await olderThan(directory, names, writtenBefore)
        const keys = old.filter((name) => !name.endsWith(underWay))
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

function pathOf(directory: string, key: string): string {
  return join(directory, checkedKey(key))
}

async function write(ctx: Context, directory: string, path: string, content: Readable): Promise<Stored> {
  // Exclusive: two uploads to one key would make one file of both.
  const handle = await open(path + underWay, 'wx', 0o600)
  try {
    const stored = await fill(ctx, handle, content)
    // `consuming` tells why.
    if (ctx.err !== undefined) throw ctx.err
    await rename(path + underWay, path)
    await syncDirectory(directory)
    return stored
  } catch (error) {
    await Promise.all([path + underWay, path].map((left) => rm(left, { force: true })))
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
  try {
    // flush: it is synced before it is closed.
    const file = handle.createWriteStream({ flush: true, highWaterMark: writeBytes })
    await until(ctx, pipeline(content, measured, file))
    await syncs.wait()
  } finally {
    // After what is still being done to it, whichever of the three has failed.
    await handle.close()
  }
  return { size, sha256: hash.digest('hex') }
}

/** What fsync of a directory answers where the file system has none: some of networks, of virtual machines, FUSE. */
const noDirectorySync = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF'])

/**
 * Makes a rename durable, where the file system can. Windows cannot open a directory, and needs no such thing on NTFS.
 */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && noDirectorySync.has(String(error.code)))) throw error
  } finally {
    await handle.close()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new ContentMissing(`storage: nothing is under ${basename(path)}`, { cause: error })
  }
}

/** The contents under `prefix` and a UUID and the uploads to such keys, a bounded number at a time. */
async function* namesIn(directory: string, prefix: string): AsyncGenerator<string[]> {
  let names: string[] = []
  for await (const { name } of await opendir(directory)) {
    const key = name.endsWith(underWay) ? name.slice(0, -underWay.length) : name
    if (!isKeyOf(prefix, key)) continue
    names.push(name)
    if (names.length < sweepBatch) continue
    yield names
    names = []
  }
  yield names
}

/** Those last written before `time` (epoch milliseconds). */
async function olderThan(directory: string, names: readonly string[], time: number): Promise<string[]> {
  const stats = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).catch((error: unknown) => {
        if (isMissing(error)) return undefined
        throw error
      }),
    ),
  )
  return names.filter((_, index) => (stats[index]?.mtimeMs ?? Infinity) < time)
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** The file system has no room left, or its quota for us has not: whatever was being written. */
function tellFull(error: unknown): never {
  const full =
    error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
  throw full ? insufficientStorage('the storage has no room for the file', error) : error
}
