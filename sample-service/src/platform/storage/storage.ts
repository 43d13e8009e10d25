import type { Readable } from 'node:stream'
import { afterFunc, cause, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { unwound } from '../telemetry/metrics.ts'

/** A kind of storage that STORAGE_URL can name. */
export interface StorageScheme {
  /** The protocol of its URLs, with the colon: `s3:`. */
  readonly protocol: string
  /** @throws Error of one sentence if the service cannot use what `url` names */
  open(ctx: Context, url: URL): Promise<Storage>
}

/** Keeps the bytes of files, each file under a key of letters, digits, `.`, `_` and `-`. */
export interface Storage {
  /**
   * Stores `content` under `key`. Once it resolves, the bytes survive a power cut. If it rejects, it leaves nothing;
   * only a killed process leaves something, which `sweep` removes.
   * @returns the number of bytes, and their SHA-256 in hex
   * @throws the cause of ctx when it ends first; the error that `content` was destroyed with; Problem 507 if there is
   * no room; other errors of the storage
   */
  put(ctx: Context, key: string, content: Readable): Promise<Stored>
  /**
   * Opens the bytes in `range`, or all bytes. When ctx ends, the stream is destroyed with the cause.
   * @throws ContentMissing; RangeError for a range that has no bytes
   */
  open(ctx: Context, key: string, range?: ByteRange): Promise<Readable>
  /** Removes the bytes under `key`. It also resolves if there are none. */
  delete(ctx: Context, key: string): Promise<void>
  /**
   * Removes what a killed process left: files and unfinished uploads whose key is `prefix` and a UUID, and that were
   * last written more than `olderThanMs` ago. Another process may still be writing younger ones.
   * @param options.keep returns those of these old keys that must stay
   * @returns how many it removed
   */
  sweep(ctx: Context, options: SweepOptions): Promise<number>
}

export interface Stored {
  readonly size: number
  readonly sha256: string
}

/** The first and the last byte, both included, as in HTTP. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface SweepOptions {
  readonly prefix: string
  readonly olderThanMs: number
  readonly keep: (keys: readonly string[]) => Promise<ReadonlySet<string>>
}

/** The storage has no bytes under this key. */
export class ContentMissing extends Error {
  override readonly name = 'ContentMissing'
}

/** The suffix of an unfinished upload. No key ends with it, so no upload can be taken for a file. */
export const unfinished = '.part'

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Calls `work`, which reads `content`, and destroys `content` with the cause when ctx ends: for a storage's `put`.
 * @throws the cause of ctx if it has ended, else what `work` throws
 */
export async function consuming<T>(ctx: Context, content: Readable, work: () => Promise<T>): Promise<T> {
  // An error that comes before anything reads the content has no other listener, and would end the process.
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
    // Whatever fills the content waits until it is read or destroyed.
    content.destroy(errorOf(reason))
    throw reason
  } finally {
    stop()
    if (endedAt !== undefined) unwound(ctx, 'storage', endedAt)
  }
}

/** Returns `content`, and destroys it with the cause when ctx ends: for a storage's `open`. */
export function endingWith(ctx: Context, content: Readable): Readable {
  const stop = afterFunc(ctx, (reason) => content.destroy(reason))
  content.once('close', stop)
  // A reader sees the error as well. Before there is a reader, the error has no other listener and would end the process.
  content.on('error', () => undefined)
  return content
}

/** Returns `key`, unless it could lead out of the storage's own place. */
export function checkedKey(key: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(key) && !key.endsWith(unfinished)) return key
  throw new Error(
    `storage: "${key}" is not a key: use letters, digits, '.', '_' and '-', and no ${unfinished} at the end`,
  )
}

/** Returns `range`, unless it has no bytes: the file system would fail with the file open, and S3 would send all bytes. */
export function checkedRange(range?: ByteRange): ByteRange | undefined {
  if (range === undefined) return undefined
  const { start, end } = range
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end) return range
  throw new RangeError(`storage: ${start} to ${end} is not a range: the last byte must not precede the first`)
}

/** Reports whether `key` is `prefix` and a UUID. A prefix alone says too little: it may begin with another prefix. */
export function isKeyOf(prefix: string, key: string): boolean {
  return key.startsWith(prefix) && uuid.test(key.slice(prefix.length))
}
