import type { IncomingHttpHeaders } from 'node:http'
import {
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type TextMapGetter,
  type Tracer,
} from '@opentelemetry/api'
import { withValue, type Context } from '../../context/context.ts'
import { errorType, knownMethod, type Outcome, redactedQuery } from '../telemetry/outcome.ts'
import { requestOf, type RequestInfo } from '../request.ts'
import { otelKey, spanOf } from '../telemetry/span.ts'

/** Reads the headers that the propagator asks for: traceparent, tracestate, baggage. */
const getter: TextMapGetter<IncomingHttpHeaders> = {
  get: (headers, name) => headers[name],
  keys: (headers) => Object.keys(headers),
}

/**
 * Starts the span of a request, below the caller's if it sent a `traceparent`, with the names of the stable HTTP
 * conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/). Secrets in the query are redacted.
 * @param target as the client sent it, with the query
 * @returns the context for the request's work
 */
export function startServerSpan(
  parent: Context,
  spans: Tracer,
  headers: IncomingHttpHeaders,
  info: RequestInfo,
  target: string,
): Context {
  const caller = propagation.extract(ROOT_CONTEXT, headers, getter)
  const method = knownMethod(info.method)
  const span = spans.startSpan(
    nameOf(method, undefined),
    {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': method,
        'http.request.method_original': method === '_OTHER' ? info.method : undefined,
        'url.scheme': info.client?.scheme ?? 'http',
        'client.address': info.client?.address,
        'url.path': info.path,
        'user_agent.original': headers['user-agent'],
        'url.query': redactedQuery(target),
        ...addressed(headers.host),
      },
    },
    caller,
  )
  return withValue(parent, otelKey, trace.setSpan(caller, span))
}

/**
 * Ends the span that `startServerSpan` put into `ctx`, if any. A client that left is a 499 with the status unset and
 * its cause as `error.type`: the service did not fail. A 5xx, or an answer that broke off, is an error.
 */
export function endServerSpan(ctx: Context, outcome: Outcome): void {
  const span = spanOf(ctx)
  if (span === undefined) return
  if (span.isRecording()) {
    const { route, status, cause, failure } = outcome
    const type = errorType(outcome)
    span.updateName(nameOf(knownMethod(requestOf(ctx)?.method ?? ''), route))
    const principal = requestOf(ctx)?.principal
    if (principal !== undefined) span.setAttribute('user.id', principal)
    if (route !== undefined) span.setAttribute('http.route', route)
    if (status > 0) span.setAttribute('http.response.status_code', status)
    if (type !== undefined) span.setAttribute('error.type', type)
    if (failure instanceof Error) span.recordException(failure)
    else if (cause !== undefined) span.addEvent('context.canceled', { 'context.cause': cause })
    if (failure !== undefined || (type !== undefined && status !== 499))
      span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end()
}

/** The last host that was asked for: most often it is the next one too. */
let last: { readonly host: string | undefined; readonly server: Attributes } | undefined

/** The server that the client asked for, with the names of the conventions. */
function addressed(host: string | undefined): Attributes {
  if (last === undefined || last.host !== host) last = { host, server: serverOf(host) }
  return last.server
}

function serverOf(host: string | undefined): Attributes {
  const [, address, port] = /^(.+?)(?::(\d{1,5}))?$/.exec(host ?? '') ?? []
  return { 'server.address': address, 'server.port': port === undefined ? undefined : Number(port) }
}

function nameOf(method: string, route: string | undefined): string {
  const verb = method === '_OTHER' ? 'HTTP' : method
  return route === undefined ? verb : `${verb} ${route}`
}
