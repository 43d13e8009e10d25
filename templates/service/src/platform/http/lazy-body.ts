import { Readable } from 'node:stream'

/** The bodies that a Hono middleware sees as a stream. */
type Made = string | Uint8Array | Readable

const madeOf = new WeakMap<ReadableStream, Made>()

/** Returns a stream of `made`, of which nothing is read before the stream is. Cancelling it destroys a Readable. */
export function lazily(made: Made): ReadableStream {
  const begun = (): void => void madeOf.delete(stream)
  const stream = made instanceof Readable ? streamOf(made, begun) : oneChunk(made, begun)
  madeOf.set(stream, made)
  return stream
}

/** What `stream` was made of, if nobody has begun to read it: that is cheaper to send. */
export function originOf(stream: ReadableStream): Made | undefined {
  return stream.locked ? undefined : madeOf.get(stream)
}

function oneChunk(made: string | Uint8Array, begun: () => void): ReadableStream {
  return new ReadableStream(
    {
      pull(controller) {
        begun()
        controller.enqueue(Buffer.from(made))
        controller.close()
      },
      cancel: begun,
    },
    { highWaterMark: 0 },
  )
}

function streamOf(body: Readable, begun: () => void): ReadableStream {
  let chunks: NodeJS.AsyncIterator<unknown> | undefined
  return new ReadableStream(
    {
      async pull(controller) {
        begun()
        chunks ??= body[Symbol.asyncIterator]()
        const next = await chunks.next()
        if (next.done === true) controller.close()
        else controller.enqueue(typeof next.value === 'string' ? Buffer.from(next.value) : next.value)
      },
      cancel() {
        begun()
        body.on('error', () => undefined).destroy()
      },
    },
    { highWaterMark: 0 },
  )
}
