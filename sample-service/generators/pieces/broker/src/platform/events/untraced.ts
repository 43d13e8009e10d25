import { INVALID_SPAN_CONTEXT, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { withValue, type Context } from '../../context/context.ts'
import { otelKey } from '../telemetry/span.ts'

/** A context whose statements make no spans: a worker that polls ten times a second would make a trace of each poll. */
export function untraced(ctx: Context): Context {
  return withValue(ctx, otelKey, trace.setSpanContext(ROOT_CONTEXT, INVALID_SPAN_CONTEXT))
}
