import { DeleteObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { sent, type Place, type Target } from './s3-bucket.ts'
import { reasonOf } from './s3-failure.ts'
import { abort } from './s3-upload.ts'
import { isKeyOf, type SweepOptions } from './storage.ts'

const removalsAtOnce = 10

/** Removes old objects that are not kept, and old unfinished uploads. @returns how many */
export async function sweep(
  ctx: Context,
  place: Place,
  { prefix, olderThanMs, keep }: SweepOptions,
): Promise<number> {
  const { bucket, folder } = place
  const before = Date.now() - olderThanMs
  const target = (key: string): Target => ({ Bucket: bucket, Key: folder + key })
  let removed = 0
  for await (const keys of oldKeys(ctx, place, prefix, before)) {
    const kept = keys.length === 0 ? new Set<string>() : await keep(keys)
    const left = keys.filter((key) => !kept.has(key))
    await each(ctx, left, async (ctx, key) => {
      const removal = sent(ctx, place, new DeleteObjectCommand(target(key)))
      await permitted(ctx, bucket, 'DeleteObject', removal)
    })
    removed += left.length
  }
  for await (const uploads of oldUploads(ctx, place, prefix, before)) {
    await each(ctx, uploads, (ctx, { key, id }) =>
      permitted(ctx, bucket, 'AbortMultipartUpload', abort(ctx, place, target(key), id)),
    )
    removed += uploads.length
  }
  return removed
}

/** Waits for a call of the sweep. If the store or the role forbids it, the error names the call. */
async function permitted<T>(ctx: Context, bucket: string, call: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (ctx.err !== undefined) throw error
    throw new Error(`the bucket ${bucket} (STORAGE_URL) refuses ${call}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

async function each<T>(
  ctx: Context,
  all: readonly T[],
  work: (ctx: Context, one: T) => Promise<void>,
): Promise<void> {
  using workers = group(ctx, { limit: removalsAtOnce })
  for (const one of all) workers.go((ctx) => work(ctx, one))
  await workers.wait()
}

/** Yields, in pages, the keys of `prefix` and a UUID that were written before `time` (epoch milliseconds). */
async function* oldKeys(ctx: Context, place: Place, prefix: string, time: number): AsyncGenerator<string[]> {
  const { bucket, folder } = place
  let from: string | undefined
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      Prefix: folder + prefix,
      ContinuationToken: from,
    })
    const page = await permitted(ctx, bucket, 'ListObjectsV2', sent(ctx, place, command))
    yield (page.Contents ?? []).flatMap(({ Key, LastModified }) => {
      const key = Key?.slice(folder.length) ?? ''
      return isKeyOf(prefix, key) && (LastModified?.getTime() ?? Infinity) < time ? [key] : []
    })
    from = page.NextContinuationToken
  } while (from !== undefined)
}

/** Yields, in pages, the unfinished uploads to such keys that began before `time`. */
async function* oldUploads(
  ctx: Context,
  place: Place,
  prefix: string,
  time: number,
): AsyncGenerator<{ key: string; id: string }[]> {
  const { bucket, folder } = place
  let from: { KeyMarker: string | undefined; UploadIdMarker: string | undefined } | undefined
  do {
    const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: folder + prefix, ...from })
    const page = await permitted(ctx, bucket, 'ListMultipartUploads', sent(ctx, place, command))
    yield (page.Uploads ?? []).flatMap(({ Key, UploadId, Initiated }) => {
      const key = Key?.slice(folder.length) ?? ''
      const old = isKeyOf(prefix, key) && (Initiated?.getTime() ?? Infinity) < time
      return old && UploadId !== undefined ? [{ key, id: UploadId }] : []
    })
    from =
      page.IsTruncated === true
        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        : undefined
  } while (from !== undefined)
}
