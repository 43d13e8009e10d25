import { propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api'
import { Canceled, DeadlineExceeded, type Context } from '../../context/context.ts'
import { CallFailed } from './call-failed.ts'
import { causeName } from '../causes.ts'
import type { Order } from './order.ts'
import { knownMethod, peerOf, redactedQuery } from '../telemetry/outcome.ts'
import { otelKey, span } from '../telemetry/span.ts'

/**
 * Makes one attempt of a call in its own span, with the names of the stable HTTP conventions
 * (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span). Secrets in the query are redacted.
 * @param resends how many attempts came before
 */
export function clientSpan<T>(
  ctx: Context,
  { method, url }: Order,
  resends: number,
  work: (ctx: Context, span: Span) => Promise<T>,
): Promise<T> {
  const known = knownMethod(method)
  const query = redactedQuery(url.search)
  const attributes = {
    'http.request.method': known,
    'http.request.method_original': known === '_OTHER' ? method : undefined,
    'http.request.resend_count': resends > 0 ? resends : undefined,
    ...peerOf(url),
    'url.full': url.origin + url.pathname + (query === undefined ? '' : `?${query}`),
  }
  const name = known === '_OTHER' ? 'HTTP' : known
  return span(ctx, name, { kind: SpanKind.CLIENT, attributes }, work, recordFailure)
}

/** Puts the trace of `ctx` into the headers of a call: `traceparent`, `tracestate`, `baggage`. */
export function injectTrace(ctx: Context, headers: Headers): void {
  propagation.inject(ctx.value(otelKey) ?? ROOT_CONTEXT, headers, {
    set: (carrier, key, value) => carrier.set(key, value),
  })
}

/** A call that its caller gave up is not an error. A call that missed its deadline is an error: the peer was too slow. */
function recordFailure(ctx: Context, current: Span, error: unknown): void {
  const ended = causeName(ctx)
  if (ended !== undefined) current.addEvent('context.canceled', { 'context.cause': ended })
  if (ctx.err === Canceled) return
  current.setAttribute('error.type', errorType(ctx, error))
  current.setStatus({ code: SpanStatusCode.ERROR })
  if (ended === undefined && error instanceof Error) current.recordException(error)
}

/** The `error.type` of an attempt that failed, in one word. */
export function errorType(ctx: Context, error: unknown): string {
  if (ctx.err === DeadlineExceeded) return 'DeadlineExceeded'
  if (error instanceof CallFailed) return error.status === undefined ? error.how : String(error.status)
  return error instanceof Error ? error.name : String(error)
}
