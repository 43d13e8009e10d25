import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  afterFunc,
  throwIfEnded,
  withCancel,
  withoutCancel,
  withTimeout,
  type Context,
} from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { until } from '../../context/until.ts'
import {
  checkedKey,
  consuming,
  ContentMissing,
  endingWith,
  isKeyOf,
  type Storage,
  type Stored,
  type StorageScheme,
} from './storage.ts'

/** A bucket, and the folder in it that holds every key. */
interface Place {
  readonly s3: S3Client
  readonly bucket: string
  /** Empty, or with a slash at its end. */
  readonly folder: string
}

/** One object, with the names of the SDK's parameters. */
interface Target {
  readonly Bucket: string
  readonly Key: string
}

/**
 * Bytes of one part; an upload holds one part in memory. All parts but the last have the same size, because some stores
 * require it. S3 takes 10,000 parts, so a file may have 80 GiB.
 */
const partBytes = 8 * 1024 * 1024
/** How long removing the rest of a failed upload may take, after ctx has ended. */
const discardMs = 10_000
const removalsAtOnce = 10

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
  const { s3, bucket } = place
  try {
    await sent(ctx, (options) => s3.send(new HeadBucketCommand({ Bucket: bucket }), options))
  } catch (error) {
    throwIfEnded(ctx)
    throw new Error(`the bucket ${bucket} (STORAGE_URL) cannot be used: HeadBucket: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  const target = (key: string): Target => ({ Bucket: bucket, Key: place.folder + checkedKey(key) })

  return {
    put: (ctx, key, content) => consuming(ctx, content, () => upload(ctx, s3, target(key), content)),

    async open(ctx, key, range) {
      const Range = range && `bytes=${range.start}-${range.end}`
      return endingWith(ctx, await download(ctx, s3, { ...target(key), Range }))
    },

    async delete(ctx, key) {
      // S3 reports no error for a missing object.
      await sent(ctx, (options) => s3.send(new DeleteObjectCommand(target(key)), options))
    },

    async sweep(ctx, { prefix, olderThanMs, keep }) {
      const before = Date.now() - olderThanMs
      let removed = 0
      for await (const keys of oldKeys(ctx, place, prefix, before)) {
        const kept = keys.length === 0 ? new Set<string>() : await keep(keys)
        const left = keys.filter((key) => !kept.has(key))
        await each(ctx, left, async (ctx, key) => {
          const removal = sent(ctx, (options) => s3.send(new DeleteObjectCommand(target(key)), options))
          await permitted(ctx, bucket, 'DeleteObject', removal)
        })
        removed += left.length
      }
      for await (const uploads of oldUploads(ctx, place, prefix, before)) {
        await each(ctx, uploads, (ctx, { key, id }) =>
          permitted(ctx, bucket, 'AbortMultipartUpload', abort(ctx, s3, target(key), id)),
        )
        removed += uploads.length
      }
      return removed
    },
  }
}

function placeOf(url: URL): Place {
  const { hostname: bucket, pathname, searchParams } = url
  const unknown = [...searchParams.keys()].find((name) => name !== 'region' && name !== 'endpoint')
  if (bucket === '' || url.username !== '' || url.port !== '' || unknown !== undefined) {
    throw new Error('STORAGE_URL must be s3://bucket/prefix?region=…&endpoint=…, without credentials')
  }
  const prefix = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, '')
  const endpoint = searchParams.get('endpoint') ?? undefined
  const region = searchParams.get('region') ?? (endpoint === undefined ? undefined : 'us-east-1')
  const s3 = new S3Client({
    ...(region !== undefined && { region }),
    // Other stores do not take the bucket as a host name, and some lack the checksums that S3 added in 2024.
    ...(endpoint !== undefined && {
      endpoint,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
  })
  return { s3, bucket, folder: prefix === '' ? '' : `${prefix}/` }
}

/** Waits for a call to S3. When ctx ends, the call ends and the cause is thrown. */
async function sent<T>(
  ctx: Context,
  call: (options: { abortSignal: Context['signal'] }) => Promise<T>,
): Promise<T> {
  throwIfEnded(ctx)
  return until(ctx, call({ abortSignal: ctx.signal }))
}

/** Waits for a call of the sweep. If the store or the role does not allow it, the error names the call. */
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

/** Returns what the SDK says of a failure: at most its name if the answer has no body. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message === '' || error.message === error.name ? error.name : `${error.name}: ${error.message}`
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

/**
 * Sends one request if the content fits into one part, else a multipart upload. lib-storage's `Upload` would reject
 * while its parts are still being sent, and could not end them.
 */
async function upload(ctx: Context, s3: S3Client, target: Target, content: Readable): Promise<Stored> {
  const hash = createHash('sha256')
  const parts: CompletedPart[] = []
  let size = 0
  let id: string | undefined
  try {
    for await (const { body, last } of partsOf(content)) {
      hash.update(body)
      size += body.length
      if (last && id === undefined) {
        await sent(ctx, (options) => s3.send(new PutObjectCommand({ ...target, Body: body }), options))
      } else if (body.length > 0) {
        id ??= await createUpload(ctx, s3, target)
        const part = { ...target, UploadId: id, PartNumber: parts.length + 1, Body: body }
        const { ETag } = await sent(ctx, (options) => s3.send(new UploadPartCommand(part), options))
        parts.push({ ETag, PartNumber: part.PartNumber })
      }
    }
    if (id !== undefined) {
      const whole = { ...target, UploadId: id, MultipartUpload: { Parts: parts } }
      await sent(ctx, (options) => s3.send(new CompleteMultipartUploadCommand(whole), options))
    }
    return { size, sha256: hash.digest('hex') }
  } catch (error) {
    await discard(ctx, s3, target, id)
    throw error
  }
}

/** Yields `content` in parts of `partBytes`. The last part may be shorter, or empty. */
async function* partsOf(
  content: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly body: Buffer; readonly last: boolean }> {
  let held: Buffer[] = []
  let length = 0
  for await (const chunk of content) {
    held.push(chunk)
    length += chunk.length
    if (length < partBytes) continue
    let rest = Buffer.concat(held)
    for (; rest.length >= partBytes; rest = rest.subarray(partBytes)) {
      yield { body: rest.subarray(0, partBytes), last: false }
    }
    held = [rest]
    length = rest.length
  }
  yield { body: Buffer.concat(held), last: true }
}

async function createUpload(ctx: Context, s3: S3Client, target: Target): Promise<string> {
  const { UploadId } = await sent(ctx, (options) =>
    s3.send(new CreateMultipartUploadCommand(target), options),
  )
  if (UploadId === undefined) throw new Error(`S3 gave the upload of ${target.Key} no id`)
  return UploadId
}

/**
 * Removes the rest of a failed upload, and the object as well: the upload may have succeeded although its answer was
 * lost. It does not fail: the sweep removes whatever is left.
 */
async function discard(parent: Context, s3: S3Client, target: Target, id: string | undefined): Promise<void> {
  // Detached: ctx may have ended, and that may be why the upload failed.
  using ctx = withTimeout(withoutCancel(parent), discardMs)
  await Promise.allSettled([
    id !== undefined && abort(ctx, s3, target, id),
    sent(ctx, (options) => s3.send(new DeleteObjectCommand(target), options)),
  ])
}

async function abort(ctx: Context, s3: S3Client, target: Target, id: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ ...target, UploadId: id })
  await sent(ctx, (options) => s3.send(command, options))
}

async function download(
  parent: Context,
  s3: S3Client,
  wanted: Target & { readonly Range: string | undefined },
): Promise<Readable> {
  // When its signal aborts, the SDK destroys the body with an error of its own. So that signal follows the parent only
  // until the body has come; from then on the parent destroys the body with its cause.
  const ctx = withCancel(withoutCancel(parent))
  // eslint-disable-next-line context/pass-context -- the parent ends ctx
  const stop = afterFunc(parent, (cause) => ctx.cancel(cause))
  try {
    const { Body } = await sent(ctx, (options) => s3.send(new GetObjectCommand(wanted), options))
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

/** Yields, in pages, the keys of `prefix` and a UUID that were written before `time` (epoch milliseconds). */
async function* oldKeys(
  ctx: Context,
  { s3, bucket, folder }: Place,
  prefix: string,
  time: number,
): AsyncGenerator<string[]> {
  let from: string | undefined
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      Prefix: folder + prefix,
      ContinuationToken: from,
    })
    const listing = sent(ctx, (options) => s3.send(command, options))
    const page = await permitted(ctx, bucket, 'ListObjectsV2', listing)
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
  { s3, bucket, folder }: Place,
  prefix: string,
  time: number,
): AsyncGenerator<{ key: string; id: string }[]> {
  let from: { KeyMarker: string | undefined; UploadIdMarker: string | undefined } | undefined
  do {
    const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: folder + prefix, ...from })
    const listing = sent(ctx, (options) => s3.send(command, options))
    const page = await permitted(ctx, bucket, 'ListMultipartUploads', listing)
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
