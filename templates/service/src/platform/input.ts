import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { afterFunc, type Context } from '../context/context.ts'
import { badRequest, contentTooLarge, unsupportedMediaType, type InvalidField } from './problem.ts'
import type { Input, Route } from './route.ts'

/** A request's input before it is parsed; needed only where the route has a schema for it. */
export interface RawInput {
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
}

/**
 * Parses what the route has a schema for.
 * @throws Problem 400 that names every invalid field
 */
export function parseInput(route: Route, raw: RawInput): Input<unknown, unknown, unknown> {
  const errors: InvalidField[] = []
  const params = parse('params', route.params, raw.params, errors)
  const query = parse('query', route.query, raw.query, errors)
  const body = parse('body', route.body, raw.body, errors)
  if (errors.length > 0) throw badRequest('the request is invalid; see errors', errors)
  return { params, query, body }
}

function parse(
  place: string,
  schema: z.ZodType | undefined,
  value: unknown,
  errors: InvalidField[],
): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  for (const issue of result.error.issues) {
    errors.push({ field: [place, ...issue.path].join('.'), message: issue.message })
  }
  return undefined
}

/**
 * Reads a JSON body of at most `maxBytes`.
 * @throws Problem 400 if it is cut off or no JSON, 413, 415; the cause of ctx when it ends first
 */
export async function readJson(ctx: Context, incoming: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = incoming.headers['content-type'] ?? 'none'
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    throw unsupportedMediaType(`expected application/json, got ${type}`)
  }
  const bytes = await readBody(ctx, incoming, maxBytes)
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw badRequest(`the body is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Reads the whole body, or stops at the limit, at the end of ctx, or when the client is gone. */
function readBody(ctx: Context, incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (act: () => void): void => {
      stop()
      incoming.off('data', onData).off('end', onEnd).off('close', onClose)
      act()
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= maxBytes) return
      incoming.pause()
      settle(() => reject(contentTooLarge(`the body is larger than ${maxBytes} bytes (BODY_MAX_BYTES)`)))
    }
    const onEnd = (): void => settle(() => resolve(Buffer.concat(chunks)))
    const onClose = (): void => settle(() => reject(badRequest('the body was cut off')))
    const stop = afterFunc(ctx, (cause) => settle(() => reject(cause)))
    incoming.on('data', onData).on('end', onEnd).on('close', onClose)
    // 'close' follows; without a listener the event would end the process.
    incoming.on('error', () => undefined)
  })
}
