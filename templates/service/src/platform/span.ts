import {
  context as ambient,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Context as OtelContext,
  type Span,
  type SpanContext,
  type SpanOptions,
} from '@opentelemetry/api'
import { contextKey, withValue, type Context } from '../context/context.ts'
import { causeName } from './causes.ts'

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
 * Runs `work` in a span below the span of `ctx`, and ends the span when `work` has settled. What `work` throws is
 * recorded and thrown on; where `ctx` has ended, its cause is the span's `error.type`, for it is not a failure of the work.
 * @param recordFailure records instead where the conventions of a protocol say otherwise
 */
export async function span<T>(
  ctx: Context,
  name: string,
  options: SpanOptions,
  work: (ctx: Context, span: Span) => Promise<T>,
  recordFailure: (ctx: Context, span: Span, error: unknown) => void = recordEnd,
): Promise<T> {
  const parent = ctx.value(otelKey) ?? ROOT_CONTEXT
  const current = trace.getTracer('mainstem-service').startSpan(name, options, parent)
  const otel = trace.setSpan(parent, current)
  try {
    // Ambient as well, for libraries that bring instrumentation of their own and know nothing of ctx.
    return await ambient.with(otel, () => work(withValue(ctx, otelKey, otel), current))
  } catch (error) {
    recordFailure(ctx, current, error)
    throw error
  } finally {
    current.end()
  }
}

function recordEnd(ctx: Context, current: Span, error: unknown): void {
  const ended = causeName(ctx)
  if (ended !== undefined) {
    current.setAttribute('error.type', ended)
    current.addEvent('context.canceled', { 'context.cause': ended })
    return
  }
  const failure = error instanceof Error ? error : new Error(String(error))
  current.recordException(failure)
  current.setAttribute('error.type', failure.name)
  current.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
}
