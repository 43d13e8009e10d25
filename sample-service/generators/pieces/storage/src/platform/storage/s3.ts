import { DeleteObjectCommand, HeadBucketCommand } from '@aws-sdk/client-s3'
import { throwIfEnded, type Context } from '../../context/context.ts'
import { placeOf, sent, type Target } from './s3-bucket.ts'
import { download } from './s3-download.ts'
import { reasonOf } from './s3-failure.ts'
import { sweep } from './s3-sweep.ts'
import { upload } from './s3-upload.ts'
import {
  checkedKey,
  checkedRange,
  consuming,
  endingWith,
  type Storage,
  type StorageScheme,
} from './storage.ts'

/** `STORAGE_URL=s3://bucket/prefix?region=eu-central-1&endpoint=http://127.0.0.1:9000`; only the bucket is required. */
export function s3Scheme(): StorageScheme {
  return { protocol: 's3:', open: openS3Storage }
}

/**
 * How long S3 may neither take nor send a byte, in milliseconds. Its answer to a long call begins with
 * blanks, some seconds apart.
 */
const standardSilenceMs = 30_000

/**
 * Opens storage in a bucket of S3, or of a server at `endpoint` that speaks its protocol. The SDK's default chain
 * supplies the credentials: environment, shared files, the role of the container or the machine.
 * @throws Error of one sentence if the service cannot use the bucket
 */
export async function openS3Storage(ctx: Context, url: URL, silenceMs = standardSilenceMs): Promise<Storage> {
  const place = placeOf(url, silenceMs)
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
