import type { Span, Attributes } from '@opentelemetry/api'
import { remainingMs, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { requestOf } from '../request.ts'
import { durationBuckets, histogram, oncePerProvider } from '../telemetry/metrics.ts'
import { peerOf, knownMethod } from '../telemetry/outcome.ts'
import { refusalOf } from './answer.ts'
import { CallFailed } from './call-failed.ts'
import type { Order } from './order.ts'
import { errorType, injectTrace } from './span.ts'

/**
 * Sends a call once and reads the answer. It sends nothing if less than a millisecond is left.
 * @throws the cause of ctx if it has ended; CallFailed if there was no answer, or its status is no 2xx
 */
export async function attempt<T>(
  ctx: Context,
  span: Span,
  order: Order,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  if (remainingMs(ctx) < 1) throw await ended(ctx)
  const { method, url, body = null } = order
  const headers = headersOf(ctx, order)
  const startedAt = performance.now()
  let status: number | undefined
  try {
    const response = await fetch(url, { method, headers, body, redirect: 'manual', signal: ctx.signal })
    status = response.status
    span.setAttribute('http.response.status_code', status)
    if (!response.ok) throw await refusalOf(ctx, order, response)
    const answer = await read(response)
    recordAttempt(order, startedAt, status, undefined)
    return answer
  } catch (error) {
    const failure = failureOf(order, error)
    recordAttempt(order, startedAt, status, errorType(ctx, failure))
    throw failure
  }
}

/** Our headers replace the caller's, since they carry the trace, the deadline and the request id. */
function headersOf(ctx: Context, order: Order): Headers {
  const headers = new Headers(order.headers)
  injectTrace(ctx, headers)
  const request = requestOf(ctx)
  if (request !== undefined) headers.set('x-request-id', request.id)
  // HTTP has no standard header for a deadline. Envoy's holds the time left, in whole milliseconds, because clocks differ.
  const untilDeadlineMs = remainingMs(ctx)
  if (untilDeadlineMs !== Infinity)
    headers.set('x-envoy-expected-rq-timeout-ms', String(Math.floor(untilDeadlineMs)))
  return headers
}

/** What `fetch` refuses to send, such as a header `expect`. */
const ownMistakes: readonly unknown[] = [
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]

/**
 * The cause of fetch's error says what broke the connection. The end of ctx and our own mistakes are not failures of the peer.
 */
function failureOf(order: Order, error: unknown): unknown {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return error
  const message = `${order.name}: ${reasonOf(error.cause)}`
  if ('code' in error.cause && ownMistakes.includes(error.cause.code))
    return new TypeError(message, { cause: error })
  return new CallFailed(message, { how: 'connection', cause: error })
}

/** For a host with several addresses, the error has no message, but one error for each address. */
function reasonOf(error: Error): string {
  return error instanceof AggregateError ? error.errors.map(String).join(', ') : error.message
}

// Created on first use, since a client may be made before telemetry is started.
const duration = oncePerProvider(() =>
  histogram(
    'http.client.request.duration',
    'Time from the sending of a request until its answer has been read or has failed.',
    durationBuckets,
  ),
)

/**
 * Reports one attempt of a call by the stable HTTP conventions
 * (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration).
 * @param startedAt in milliseconds of performance.now()
 * @param status undefined if there was no answer
 * @param errorType undefined if the attempt succeeded
 */
function recordAttempt(
  { method, url }: Order,
  startedAt: number,
  status: number | undefined,
  errorType: string | undefined,
): void {
  const attributes: Attributes = { 'http.request.method': knownMethod(method), ...peerOf(url) }
  if (status !== undefined) attributes['http.response.status_code'] = status
  if (errorType !== undefined) attributes['error.type'] = errorType
  duration().record((performance.now() - startedAt) / 1_000, attributes)
}
