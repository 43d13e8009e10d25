import { Transform, Readable } from 'node:stream'
import { discard, InvalidAnswer } from './answer-body.ts'

/**
 * Resolves when a body has bytes or has ended; undefined if there is nothing to wait for. Node sends no header before that, so
 * if the body fails first, the answer can still be a problem, such as the 503 of a stream that the pool refuses.
 */
export function begun(body: Readable): Promise<void> | undefined {
  if (body.errored !== null) {
    // The 'error' event of the body may come before the caller handles the rejection.
    discard(body)
    return Promise.reject(body.errored)
  }
  // A body that something else also reads is flowing already: a wait would lose the bytes that come meanwhile.
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

/** Returns a stream that reads nothing of `body` before somebody reads the stream. Cancelling it destroys `body`. */
export function lazily(body: Readable): ReadableStream {
  let chunks: NodeJS.AsyncIterator<unknown> | undefined
  return new ReadableStream(
    {
      async pull(controller) {
        chunks ??= body[Symbol.asyncIterator]()
        const next = await chunks.next()
        if (next.done === true) controller.close()
        else controller.enqueue(typeof next.value === 'string' ? Buffer.from(next.value) : next.value)
      },
      cancel() {
        discard(body)
      },
    },
    { highWaterMark: 0 },
  )
}

/** Whether somebody reads a stream, or has read some of it. */
export function isBegun(stream: ReadableStream): boolean {
  // Node's types accept only their own ReadableStream here.
  return stream.locked || Readable.isDisturbed(stream as unknown as Readable)
}
