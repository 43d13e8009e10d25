import { finished, Readable } from 'node:stream'
import { GetObjectCommand, NoSuchKey } from '@aws-sdk/client-s3'
import { afterFunc, withCancel, withoutCancel, type Context } from '../../context/context.ts'
import { unavailable } from '../problem.ts'
import { sent, type Place, type Target } from './s3-bucket.ts'
import { failureOf, StorageSilent } from './s3-failure.ts'
import { ContentMissing } from './storage.ts'

/** @throws ContentMissing, and as `sent` does */
export async function download(
  parent: Context,
  place: Place,
  wanted: Target & { readonly Range: string | undefined },
): Promise<Readable> {
  const { downloads, silenceMs } = place
  // When its signal aborts, the SDK destroys the body with an error of its own. So that signal follows the parent only until the
  // body has arrived; from then on the parent destroys the body with its cause.
  const ctx = withCancel(withoutCancel(parent))
  // eslint-disable-next-line context/pass-context -- the parent ends ctx
  const stop = afterFunc(parent, (cause) => ctx.cancel(cause))
  const silence = setTimeout(() => ctx.cancel(silent(silenceMs)), silenceMs)
  try {
    const { Body, $metadata } = await sent(ctx, { ...place, s3: downloads }, new GetObjectCommand(wanted))
    if (!(Body instanceof Readable)) throw new Error(`S3 sent no content for ${wanted.Key}`)
    Body.once('close', () => ctx.cancel())
    if (wanted.Range !== undefined && $metadata.httpStatusCode !== 206) {
      Body.destroy()
      throw new Error(`S3 sent all of ${wanted.Key} instead of a range`)
    }
    return watched(Body, silenceMs)
  } catch (error) {
    ctx.cancel()
    if (!(error instanceof NoSuchKey)) throw failureOf(error)
    throw new ContentMissing(`storage: there is no file with the key ${wanted.Key}`, { cause: error })
  } finally {
    clearTimeout(silence)
    stop()
  }
}

/**
 * Returns the bytes of `body`. The stream fails with a 503 Problem if `body` breaks off, or sends nothing for `silenceMs` while
 * the reader waits. While the reader does not ask, the silence is its own.
 */
function watched(body: Readable, silenceMs: number): Readable {
  let silence: NodeJS.Timeout | undefined
  const content = new Readable({
    read() {
      silence ??= setTimeout(() => content.destroy(brokenOff(silent(silenceMs))), silenceMs)
      body.resume()
    },
    destroy(error, done) {
      clearTimeout(silence)
      body.destroy()
      done(error)
    },
  })
  body.on('data', (chunk) => {
    clearTimeout(silence)
    silence = undefined
    if (!content.push(chunk)) body.pause()
  })
  finished(body, (error) => {
    clearTimeout(silence)
    if (error) content.destroy(brokenOff(error))
    else content.push(null)
  })
  return content
}

function silent(silenceMs: number): StorageSilent {
  return new StorageSilent(`S3 sent nothing for ${silenceMs} ms`)
}

function brokenOff(error: Error): Error {
  return unavailable('the storage broke off the file', error)
}
