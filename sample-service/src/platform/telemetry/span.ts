import {
  context as ambient,
  INVALID_SPAN_CONTEXT,
  INVALID_TRACEID,
  ProxyTracer,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context as OtelContext,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api'
import { contextKey, DeadlineExceeded, withValue, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { causeName } from '../causes.ts'
import { stepKey, type Waited } from './recent.ts'

/** OpenTelemetry's own context rides in ours: the parent of a span is taken from ctx, never from what is ambient. */
export const otelKey = contextKey<OtelContext>('opentelemetry')

/** The trace and span that `ctx` belongs to; undefined where nothing is traced. */
export function traceOf(ctx: Context): SpanContext | undefined {
  const found = spanOf(ctx)?.spanContext()
  return found?.traceId === INVALID_TRACEID ? undefined : found
}

/** The span of `ctx`, for attributes that are known late; undefined where nothing is traced. */
export function spanOf(ctx: Context): Span | undefined {
  const otel = ctx.value(otelKey)
  return otel === undefined ? undefined : trace.getSpan(otel)
}

/** The tracer that was found last, and the provider that gave it: looking it up costs a small request several percent. */
let found: { readonly provider: TracerProvider; readonly tracer: Tracer | undefined } | undefined

/** What makes spans; undefined where nothing is traced. Call it after `startTelemetry`. */
export function tracer(): Tracer | undefined {
  // The API's own provider delegates to the one that `startTelemetry` sets.
  const global: TracerProvider & { getDelegate?(): TracerProvider } = trace.getTracerProvider()
  const provider = global.getDelegate?.() ?? global
  if (found?.provider !== provider) {
    const given = trace.getTracer('sample-service')
    found = { provider, tracer: given instanceof ProxyTracer ? undefined : given }
  }
  return found.tracer
}

/** Whether a span below the span of `ctx` would be exported or shown. */
export function isObserved(ctx: Context): boolean {
  return ctx.value(stepKey) !== undefined || spansBelow(ctx) !== undefined
}

/** Undefined below a request that is not sampled: the SDK would record nothing, and calls pass on the request's trace. */
function spansBelow(ctx: Context): Tracer | undefined {
  return spanOf(ctx)?.spanContext().traceFlags === TraceFlags.NONE ? undefined : tracer()
}

type SpanBody<T> = (ctx: Context, span: Span) => Promise<T>
type RecordFailure = (ctx: Context, span: Span, error: unknown) => void

const noSpan = trace.wrapSpanContext(INVALID_SPAN_CONTEXT)

/**
 * Calls `body` in a span below the span of `parent`, and ends the span when `body` has settled. It records what `body`
 * throws, and throws it on. If the context has ended, the cause of the context is the span's `error.type`, since the work did
 * not fail by itself. The span is exported where spans are, and kept for the page of contexts where that page is offered.
 * @param recordFailure records a failure in another way, as the conventions of a protocol may demand
 */
export async function span<T>(
  parent: Context,
  name: string,
  options: SpanOptions,
  body: SpanBody<T>,
  recordFailure: RecordFailure = recordEnd,
): Promise<T> {
  const step = parent.value(stepKey)?.start(name, detailOf(options), waitedIn(options))
  const spans = spansBelow(parent)
  if (step === undefined && spans === undefined) return body(parent, noSpan)

  const above = parent.value(otelKey) ?? ROOT_CONTEXT
  const current = spans?.startSpan(name, options, above) ?? noSpan
  const otel = current === noSpan ? above : trace.setSpan(above, current)
  const stepped = step === undefined ? parent : withValue(parent, stepKey, step)
  const ctx = current === noSpan ? stepped : withValue(stepped, otelKey, otel)
  try {
    // Ambient as well, for libraries with their own instrumentation, which know no ctx: `startTelemetry` says when that works.
    return await ambient.with(otel, () => body(ctx, current))
  } catch (error) {
    recordFailure(ctx, current, error)
    if (step !== undefined) step.fault = causeName(ctx) ?? errorOf(error).name
    throw error
  } finally {
    current.end()
    step?.finish()
  }
}

/**
 * Calls `body`, a phase of the process's start or stop, in a span below the span of `ctx`. Whatever ends it early is an error
 * of the phase. Unlike `span` it sets no ambient span: connections that are opened here outlive the phase.
 */
export async function phase<T>(ctx: Context, name: string, body: (ctx: Context) => Promise<T>): Promise<T> {
  const inside = startSpan(ctx, name)
  try {
    return await body(inside)
  } catch (error) {
    failSpan(inside, error)
    throw error
  } finally {
    spanOf(inside)?.end()
  }
}

/** Starts a trace of its own, named `name`, whose root is the span of the returned context. `spanOf(…)?.end()` ends it. */
export function startTrace(parent: Context, name: string): Context {
  return startSpan(withValue(parent, otelKey, ROOT_CONTEXT), name)
}

/** Marks the span of `ctx` as failed: by what ended `ctx` if it has ended, else by `error`. */
export function failSpan(ctx: Context, error: unknown): void {
  const current = spanOf(ctx)
  if (current !== undefined) recordFailed(current, error, causeName(ctx))
}

/** `ctx` itself where nothing is traced. */
function startSpan(ctx: Context, name: string): Context {
  const spans = tracer()
  if (spans === undefined) return ctx
  const above = ctx.value(otelKey) ?? ROOT_CONTEXT
  return withValue(ctx, otelKey, trace.setSpan(above, spans.startSpan(name, {}, above)))
}

function detailOf({ attributes }: SpanOptions): string | null {
  const detail = attributes?.['db.query.text'] ?? attributes?.['url.full']
  return detail?.toString() ?? null
}

function waitedIn({ attributes, kind }: SpanOptions): Waited | null {
  if (attributes?.['db.query.text'] !== undefined) return 'database'
  return kind === SpanKind.CLIENT || attributes?.['url.full'] !== undefined ? 'peer' : null
}

/** The default of `span`: the end of ctx is no fault of the work, but a passed deadline is an error: the work took too long. */
export function recordEnd(ctx: Context, current: Span, error: unknown): void {
  const ended = causeName(ctx)
  if (ended === undefined) {
    recordFailed(current, error)
    return
  }
  current.setAttribute('error.type', ended)
  current.addEvent('context.canceled', { 'context.cause': ended })
  if (ctx.err === DeadlineExceeded)
    current.setStatus({ code: SpanStatusCode.ERROR, message: errorOf(error).message })
}

function recordFailed(current: Span, error: unknown, type?: string): void {
  const failure = errorOf(error)
  current.recordException(failure)
  current.setAttribute('error.type', type ?? failure.name)
  current.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
}
