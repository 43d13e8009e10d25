import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'
import { afterFunc, type Context } from '../../context/context.ts'
import { contentTooLarge, Problem, requestTimeout } from '../problem.ts'

/** What a body may take that is passed on while it arrives. */
export interface BodyLimits {
  /** Milliseconds that the client may send nothing while it could. */
  readonly stallMs: number
  readonly maxBytes: number
  /** The detail of the 413. */
  readonly tooLarge: string
}

/**
 * Writes `body` to `into`, no faster than that takes it, and ends it when the body has ended. Only a body that is
 * there as a whole resolves. After a rejection the rest is left unread, and the connection open for an answer.
 * @throws Problem 400 if the body is cut off, 408 if the client stalls, 413; the cause of ctx when it ends first
 */
export function pourBody(
  ctx: Context,
  body: IncomingMessage,
  into: Writable,
  limits: BodyLimits,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    let stall: NodeJS.Timeout | undefined

    function settle(error?: Error): void {
      stop()
      clearTimeout(stall)
      body.off('data', onData).off('end', onEnd).off('close', onClose)
      into.off('drain', flow)
      // Not destroyed: that would take the connection with it, and the answer that the client is waiting for.
      body.pause()
      if (error === undefined) resolve()
      else reject(error)
    }
    function flow(): void {
      stall = setTimeout(
        () => settle(requestTimeout(`no byte of the body for ${limits.stallMs} ms`)),
        limits.stallMs,
      )
      body.resume()
    }
    function onData(chunk: Buffer): void {
      bytes += chunk.length
      if (bytes > limits.maxBytes) {
        settle(contentTooLarge(limits.tooLarge))
      } else if (into.write(chunk)) {
        stall?.refresh()
      } else {
        // While we do not read, the client cannot stall.
        clearTimeout(stall)
        body.pause()
      }
    }
    function onEnd(): void {
      into.end()
      settle()
    }
    function onClose(): void {
      const cause = body.errored ?? undefined
      settle(new Problem(400, 'Bad Request', 'the body was cut off', { cause }))
    }

    const stop = afterFunc(ctx, settle)
    if (Number(body.headers['content-length'] ?? 0) > limits.maxBytes)
      settle(contentTooLarge(limits.tooLarge))
    else if (body.destroyed && !body.readableEnded) onClose()
    else {
      body.on('data', onData).on('end', onEnd).on('close', onClose)
      // The reason comes with 'close' too; without a listener the event would end the process.
      body.on('error', () => undefined)
      into.on('drain', flow)
      flow()
    }
  })
}
