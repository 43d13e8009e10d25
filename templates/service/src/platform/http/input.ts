import type { Readable } from 'node:stream'
import type { z } from 'zod'
import { afterFunc, type Context } from '../../context/context.ts'
import { gather } from '../gather.ts'
import { decodeJson, isUtf8Type, Undecodable } from '../json.ts'
import { badRequest, contentTooLarge, Problem, unsupportedMediaType, type InvalidField } from '../problem.ts'
import type { IncomingRequest, Input, Route } from './route.ts'
import { validate } from '../validate.ts'

/** A request's input before it is parsed. */
export interface RawInput {
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
}

/**
 * Parses what the route has a schema for.
 * @throws Problem 400 that names every invalid field, or the first hundred and how many more there are
 */
export function parseInput(route: Route, raw: RawInput): Input<unknown, unknown, unknown> {
  const errors: InvalidField[] = []
  let more = 0
  const params = parse('params', route.params, raw.params)
  const query = parse('query', route.query, raw.query)
  const body = parse('body', route.body, raw.body)
  if (errors.length === 0) return { params, query, body }
  throw badRequest(`the request is invalid; see errors${more > 0 ? `, and ${more} more` : ''}`, errors)

  function parse(place: string, schema: z.core.$ZodType | undefined, value: unknown): unknown {
    if (schema === undefined) return undefined
    const result = validate(schema, value)
    if ('data' in result) return result.data
    for (const { path, message } of result.issues.first) {
      errors.push({ field: [place, ...path].join('.'), message })
    }
    more += result.issues.more
    return undefined
  }
}

/** The part of Hono's request that has the query. */
interface Queried {
  readonly url: string
  query(): Record<string, string>
  queries(): Record<string, string[]>
}

/**
 * Returns the parameters of a query string.
 * @throws Problem 400 if one comes twice: the schema would see only the first
 */
export function queryOf(request: Queried): Record<string, string> {
  const query = request.query()
  if (!request.url.includes('&')) return query
  const twice = Object.entries(request.queries()).find(([, values]) => values.length > 1)
  if (twice === undefined) return query
  const field = `query.${twice[0].slice(0, 100)}`
  throw badRequest('the request is invalid; see errors', [{ field, message: 'comes more than once' }])
}

/** Bounds the memory of all JSON bodies of a server while they arrive. */
export interface BodyBudget {
  /** The limit of one body. */
  readonly maxBytes: number
  /** The limit of all bodies together. */
  readonly totalBytes: number
  heldBytes: number
}

/** How many bodies of the largest size may arrive at once. A client may send one as slowly as its deadline allows. */
const largeBodies = 64

export function bodyBudget(maxBytes: number): BodyBudget {
  return { maxBytes, totalBytes: largeBodies * maxBytes, heldBytes: 0 }
}

/**
 * Reads a JSON body.
 * @throws Problem 400 if it is cut off, is not JSON or cannot be kept as it came; Problem 413 or 415; Problem 503 if the
 * arriving bodies take more than `budget` allows; the cause of ctx if it ends first
 */
export async function readJson(
  ctx: Context,
  request: Pick<IncomingRequest, 'headers' | 'body'>,
  budget: BodyBudget,
): Promise<unknown> {
  const { headers } = request
  const type = headers['content-type'] ?? 'none'
  if (type !== 'application/json') requireJsonType(type)
  refuseCoding(request)
  if (Number(headers['content-length'] ?? 0) > budget.maxBytes) throw bodyTooLarge(budget.maxBytes)
  const bytes = await readBody(ctx, request.body, budget)
  try {
    return decodeJson(bytes)
  } catch (error) {
    if (error instanceof Undecodable) throw badRequest(`the body is not JSON: ${error.message}`)
    throw error
  }
}

/** @throws Problem 415 */
function requireJsonType(type: string): void {
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    throw unsupportedMediaType(`expected application/json, got ${type}`)
  }
  if (!isUtf8Type(type)) throw unsupportedMediaType(`expected JSON in UTF-8, got ${type}`)
}

/** @throws Problem 415 for a compressed body, with the codings that the service accepts (RFC 9110, 12.5.3) */
export function refuseCoding({ headers }: Pick<IncomingRequest, 'headers'>): void {
  const coding = headers['content-encoding']
  if (coding === undefined || coding.toLowerCase() === 'identity') return
  const detail = `expected a body without a Content-Encoding, got ${coding}`
  throw new Problem(415, 'Unsupported Media Type', detail, { headers: { 'accept-encoding': 'identity' } })
}

function bodyTooLarge(maxBytes: number): Problem {
  return contentTooLarge(`the body is larger than ${maxBytes} bytes (BODY_MAX_BYTES)`)
}

function cutOff(): Problem {
  return badRequest('the body was cut off')
}

function tooMuchArrives(): Problem {
  const detail = 'the service is busy: too many large bodies arrive at once'
  const headers = { 'retry-after': '1', connection: 'close' }
  return new Problem(503, 'Service Unavailable', detail, { headers })
}

/** Reads the whole body, or stops at the limit, at the end of ctx, or when the client is gone. */
function readBody(ctx: Context, body: Readable, budget: BodyBudget): Promise<Buffer> {
  // A stream that has ended or closed emits nothing more: nobody may wait for it.
  if (body.readableDidRead || body.readableEnded)
    return Promise.reject(new Error('a guard or a middleware has read the body, so the route cannot'))
  if (body.destroyed) return Promise.reject(cutOff())
  return new Promise((resolve, reject) => {
    const gathered = gather()
    const settle = (act: () => void): void => {
      stop()
      budget.heldBytes -= gathered.size
      body.off('data', onData).off('end', onEnd).off('close', onClose)
      act()
    }
    const onData = (chunk: Buffer): void => {
      gathered.add(chunk)
      budget.heldBytes += chunk.length
      const tooLarge = gathered.size > budget.maxBytes
      if (!tooLarge && budget.heldBytes <= budget.totalBytes) return
      body.pause()
      settle(() => reject(tooLarge ? bodyTooLarge(budget.maxBytes) : tooMuchArrives()))
    }
    const onEnd = (): void => settle(() => resolve(gathered.bytes()))
    const onClose = (): void => settle(() => reject(cutOff()))
    const stop = afterFunc(ctx, (cause) => settle(() => reject(cause)))
    body.on('data', onData).on('end', onEnd).on('close', onClose)
    // 'close' follows; without a listener the event would end the process.
    body.on('error', () => undefined)
  })
}
