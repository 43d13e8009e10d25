import { Readable } from 'node:stream'
import { discard } from './answer-body.ts'

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
