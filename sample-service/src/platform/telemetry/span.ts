import {
  context as ambient,
  INVALID_SPAN_CONTEXT,
  ProxyTracer,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context as OtelContext,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api'
import { contextKey, withValue, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { causeName } from '../causes.ts'
import { step, stepKey } from './steps.ts'

/** OpenTelemetry's own context rides in ours: the parent of a span is asked of ctx, never of what is ambient. */
export const otelKey = contextKey<OtelContext>('opentelemetry')

/** The trace and span that `ctx` belongs to; undefined where nothing is traced. */
export function traceOf(ctx: Context): SpanContext | undefined {
  const otel = ctx.value(otelKey)
  return otel === undefined ? undefined : trace.getSpanContext(otel)
}

/** The span of `ctx`, for attributes that are known late; undefined where nothing is traced. */
export function spanOf(ctx: Context): Span | undefined {
  const otel = ctx.value(otelKey)
  return otel === undefined ? undefined : trace.getSpan(otel)
}

/**
 * What makes spans; undefined where nothing is traced, for which the API has a stand-in. To be asked once, after
 * `startTelemetry`, where it counts: asked for each request it costs a small one several percent.
 */
export function tracer(): Tracer | undefined {
  const given = trace.getTracer('sample-service')
  return given instanceof ProxyTracer ? undefined : given
}

type Work<T> = (ctx: Context, span: Span) => Promise<T>
type RecordFailure = (ctx: Context, span: Span, error: unknown) => void

const noSpan = trace.wrapSpanContext(INVALID_SPAN_CONTEXT)

/**
 * Runs `work` in a span below the span of `ctx`, and ends the span when `work` has settled. What `work` throws is
 * recorded and thrown on; where `ctx` has ended, its cause is the span's `error.type`, for it is not a failure of the work.
 * @param recordFailure records instead where the conventions of a protocol say otherwise
 */
export function span<T>(
  ctx: Context,
  name: string,
  options: SpanOptions,
  work: Work<T>,
  recordFailure: RecordFailure = recordEnd,
): Promise<T> {
  const above = ctx.value(stepKey)
  if (above === undefined) return traced(ctx, name, options, work, recordFailure)
  const detail = options.attributes?.['db.query.text'] ?? options.attributes?.['url.full']
  return step(ctx, above, name, detail?.toString(), (ctx) => traced(ctx, name, options, work, recordFailure))
}

async function traced<T>(
  ctx: Context,
  name: string,
  options: SpanOptions,
  work: Work<T>,
  recordFailure: RecordFailure,
): Promise<T> {
  // Below a request that is not sampled nothing would be recorded, and the trace that is passed on is the request's.
  const spans = traceOf(ctx)?.traceFlags === TraceFlags.NONE ? undefined : tracer()
  if (spans === undefined) return work(ctx, noSpan)
  const parent = ctx.value(otelKey) ?? ROOT_CONTEXT
  const current = spans.startSpan(name, options, parent)
  const otel = trace.setSpan(parent, current)
  try {
    // Ambient as well, for libraries that bring instrumentation of their own and know nothing of ctx: `startTelemetry` says when.
    return await ambient.with(otel, () => work(withValue(ctx, otelKey, otel), current))
  } catch (error) {
    recordFailure(ctx, current, error)
    throw error
  } finally {
    current.end()
  }
}

/**
 * Runs `work`, a phase of the process's start or stop, in a span below the span of `ctx`. Whatever ends it early is an error
 * of the phase. Unlike `span` it sets no ambient span: connections that are opened here outlive it, and their work is not its.
 */
export async function phase<T>(ctx: Context, name: string, work: (ctx: Context) => Promise<T>): Promise<T> {
  const traced = startSpan(ctx, name)
  try {
    return await work(traced)
  } catch (error) {
    failSpan(traced, error)
    throw error
  } finally {
    spanOf(traced)?.end()
  }
}

/** Starts a trace of its own, named `name`, whose root is the span of the returned context. It ends with `end()` of that. */
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
  const parent = ctx.value(otelKey) ?? ROOT_CONTEXT
  return withValue(ctx, otelKey, trace.setSpan(parent, spans.startSpan(name, {}, parent)))
}

function recordEnd(ctx: Context, current: Span, error: unknown): void {
  const ended = causeName(ctx)
  if (ended !== undefined) {
    current.setAttribute('error.type', ended)
    current.addEvent('context.canceled', { 'context.cause': ended })
    return
  }
  recordFailed(current, error)
}

function recordFailed(current: Span, error: unknown, type?: string): void {
  const failure = errorOf(error)
  current.recordException(failure)
  current.setAttribute('error.type', type ?? failure.name)
  current.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
}
