import { Transform, type Readable } from 'node:stream'
import { discard, InvalidAnswer } from './answer-body.ts'

/**
 * Resolves when a body has bytes or has ended; undefined if there is nothing to wait for. Node sends no header before, so a
 * problem can still answer for a body that fails until then, such as the 503 of a stream that the pool refuses.
 */
export function begun(body: Readable): Promise<void> | undefined {
  if (body.errored !== null) {
    // Its 'error' event may be yet to come, before whoever awaits this is told.
    discard(body)
    return Promise.reject(body.errored)
  }
  // A body that somebody else reads, too, flows already: what comes while it is awaited would not be sent.
  const flows = body.readableFlowing !== null
  if (flows || body.readableLength > 0 || body.readableEnded || body.closed) return undefined
  return new Promise((resolve, reject) => {
    body.once('readable', resolve).once('error', reject).once('close', resolve)
  })
}

/**
 * Passes on bytes, and text as UTF-8, and fails at anything else. With a length it fails before the first byte too many, and
 * at the end if there were too few.
 */
export function checked(length: number | undefined): Transform {
  let passed = 0
  return new Transform({
    // So that chunks of every type get here, one at a time.
    writableObjectMode: true,
    writableHighWaterMark: 1,
    transform(chunk: unknown, _encoding, done) {
      if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
        done(
          new InvalidAnswer(`its body has a chunk of type ${typeof chunk}, which is neither bytes nor text`),
        )
        return
      }
      passed += Buffer.byteLength(chunk)
      if (length !== undefined && passed > length)
        done(new InvalidAnswer(`its body has more bytes than its Content-Length, ${length}`))
      else done(null, chunk)
    },
    flush(done) {
      if (length === undefined || passed === length) done()
      else done(new InvalidAnswer(`its body has ${passed} bytes, and its Content-Length is ${length}`))
    },
  })
}
