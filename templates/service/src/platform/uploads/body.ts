import type { IncomingRequest } from '../http/route.ts'
import { withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { contentTooLarge, Problem, requestTimeout } from '../problem.ts'

/** Limits of a body that is read while it arrives. */
export interface BodyLimits {
  /** Milliseconds that the client may send nothing while its bytes are awaited. */
  readonly stallMs: number
  readonly maxBytes: number
  /** The detail of the 413. */
  readonly tooLarge: string
}

/** What happens while bytes are awaited: some come, the body ends, or the connection is cut. */
const changes = ['readable', 'end', 'close'] as const

/**
 * Yields the bytes of a body, no faster than the caller takes them, and returns once the whole body has come. When it
 * throws, the rest of the body is left unread and the connection stays open for the answer.
 * @throws Problem 400 if the body is cut off, 408 if the client stalls, 413; the cause of ctx when it ends first
 */
export async function* bytesOf(
  ctx: Context,
  request: Pick<IncomingRequest, 'headers' | 'body'>,
  limits: BodyLimits,
): AsyncGenerator<Buffer> {
  const { stallMs, maxBytes, tooLarge } = limits
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw contentTooLarge(tooLarge)
  const { body } = request
  const stalled = requestTimeout(`no byte of the body for ${stallMs} ms`)
  // The error is in body.errored as well; without a listener its event would end the process.
  body.on('error', () => undefined)
  let wake = (): void => undefined
  const onChange = (): void => wake()
  for (const event of changes) body.on(event, onChange)
  let bytes = 0
  try {
    for (;;) {
      const chunk: unknown = body.read()
      if (Buffer.isBuffer(chunk)) {
        bytes += chunk.length
        if (bytes > maxBytes) throw contentTooLarge(tooLarge)
        yield chunk
      } else if (body.readableEnded) {
        return
      } else if (body.destroyed) {
        throw new Problem(400, 'Bad Request', 'the body was cut off', { cause: body.errored ?? undefined })
      } else {
        using arriving = withTimeout(ctx, stallMs, stalled)
        await until(arriving, new Promise<void>((resolve) => (wake = resolve)))
      }
    }
  } finally {
    for (const event of changes) body.off(event, onChange)
  }
}
