import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3'
import { withoutCancel, withTimeout, type Context } from '../../context/context.ts'
import { sent, type Place, type Target } from './s3-bucket.ts'
import type { Stored } from './storage.ts'

/**
 * Bytes of one part; an upload holds one part in memory. All parts but the last have the same size, because some stores require
 * that. S3 accepts 10,000 parts, so a file may have 80 GiB.
 */
const partBytes = 8 * 1024 * 1024
/**
 * How long removing the rest of a failed upload may take, after ctx has ended: with what the caller then removes, less than
 * SHUTDOWN_CANCEL_MS, so that a stop does not abandon it.
 */
const discardMs = 1_200

/**
 * Sends one request if the content fits into one part, else a multipart upload. lib-storage's `Upload` rejects while its parts
 * are still being sent, and cannot end them.
 */
export async function upload(ctx: Context, place: Place, target: Target, content: Readable): Promise<Stored> {
  const hash = createHash('sha256')
  const parts: CompletedPart[] = []
  let size = 0
  let id: string | undefined
  try {
    for await (const { body, last } of partsOf(content)) {
      hash.update(body)
      size += body.length
      if (last && id === undefined) {
        await sent(ctx, place, new PutObjectCommand({ ...target, Body: body }))
      } else if (body.length > 0) {
        id ??= await createUpload(ctx, place, target)
        const part = { ...target, UploadId: id, PartNumber: parts.length + 1, Body: body }
        const { ETag } = await sent(ctx, place, new UploadPartCommand(part))
        parts.push({ ETag, PartNumber: part.PartNumber })
      }
    }
    if (id !== undefined) {
      const whole = { ...target, UploadId: id, MultipartUpload: { Parts: parts } }
      await sent(ctx, place, new CompleteMultipartUploadCommand(whole))
    }
    return { size, sha256: hash.digest('hex') }
  } catch (error) {
    await discard(ctx, place, target, id)
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

async function createUpload(ctx: Context, place: Place, target: Target): Promise<string> {
  const { UploadId } = await sent(ctx, place, new CreateMultipartUploadCommand(target))
  if (UploadId === undefined) throw new Error(`S3 gave the upload of ${target.Key} no id`)
  return UploadId
}

/**
 * Removes the rest of a failed upload, and the object as well: the upload may have succeeded although its answer was
 * lost. It does not fail: the sweep removes whatever is left.
 */
async function discard(parent: Context, place: Place, target: Target, id: string | undefined): Promise<void> {
  // Detached: ctx may have ended, and that may be why the upload failed.
  using ctx = withTimeout(withoutCancel(parent), discardMs)
  await Promise.allSettled([
    id !== undefined && abort(ctx, place, target, id),
    sent(ctx, place, new DeleteObjectCommand(target)),
  ])
}

/** Ends a multipart upload that was not completed, and removes its parts. */
export async function abort(ctx: Context, place: Place, target: Target, id: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ ...target, UploadId: id })
  await sent(ctx, place, command)
}
