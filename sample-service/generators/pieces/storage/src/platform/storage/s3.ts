import { DeleteObjectCommand, GetObjectCommand, HeadBucketCommand, NoSuchKey } from '@aws-sdk/client-s3'
import { Readable } from 'node:stream'
import { afterFunc, throwIfEnded, withCancel, withoutCancel, type Context } from '../../context/context.ts'
import { placeOf, reasonOf, sent, type Place, type Target } from './s3-bucket.ts'
import { sweep } from './s3-sweep.ts'
import { upload } from './s3-upload.ts'
import {
  checkedKey,
  checkedRange,
  consuming,
  ContentMissing,
  endingWith,
  type Storage,
  type StorageScheme,
} from './storage.ts'

/** `STORAGE_URL=s3://bucket/prefix?region=eu-central-1&endpoint=http://127.0.0.1:9000`; only the bucket is required. */
export function s3Scheme(): StorageScheme {
  return { protocol: 's3:', open: openS3Storage }
}

/**
 * Opens storage in a bucket of S3, or of a server at `endpoint` that speaks its protocol. The SDK's default chain
 * supplies the credentials: environment, shared files, the role of the container or the machine.
 * @throws Error of one sentence if the service cannot use the bucket
 */
export async function openS3Storage(ctx: Context, url: URL): Promise<Storage> {
  const place = placeOf(url)
  const { bucket } = place
  try {
    await sent(ctx, place, new HeadBucketCommand({ Bucket: bucket }))
  } catch (error) {
    throwIfEnded(ctx)
    throw new Error(`the bucket ${bucket} (STORAGE_URL) cannot be used: HeadBucket: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  const target = (key: string): Target => ({ Bucket: bucket, Key: place.folder + checkedKey(key) })

  return {
    put: (ctx, key, content) => consuming(ctx, content, () => upload(ctx, place, target(key), content)),

    async open(ctx, key, range) {
      const bytes = checkedRange(range)
      const Range = bytes && `bytes=${bytes.start}-${bytes.end}`
      return endingWith(ctx, await download(ctx, place, { ...target(key), Range }))
    },

    async delete(ctx, key) {
      // S3 reports no error for a missing object.
      await sent(ctx, place, new DeleteObjectCommand(target(key)))
    },

    sweep: (ctx, options) => sweep(ctx, place, options),
  }
}

async function download(
  parent: Context,
  place: Place,
  wanted: Target & { readonly Range: string | undefined },
): Promise<Readable> {
  // When its signal aborts, the SDK destroys the body with an error of its own. So that signal follows the parent only until the
  // body has arrived; from then on the parent destroys the body with its cause.
  const ctx = withCancel(withoutCancel(parent))
  // eslint-disable-next-line context/pass-context -- the parent ends ctx
  const stop = afterFunc(parent, (cause) => ctx.cancel(cause))
  try {
    const { Body } = await sent(ctx, place, new GetObjectCommand(wanted))
    if (!(Body instanceof Readable)) throw new Error(`S3 sent no content for ${wanted.Key}`)
    Body.once('close', () => ctx.cancel())
    return Body
  } catch (error) {
    ctx.cancel()
    if (!(error instanceof NoSuchKey)) throw error
    throw new ContentMissing(`storage: there is no file with the key ${wanted.Key}`, { cause: error })
  } finally {
    stop()
  }
}
