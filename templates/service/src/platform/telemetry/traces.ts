import { diag } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { Resource } from '@opentelemetry/resources'
import { NodeSDK, tracing } from '@opentelemetry/sdk-node'
import { errorOf } from '../../context/thrown.ts'
import { sendsProtobuf, type Environment } from './environment.ts'
import { EncodedSpan, traceRequest } from './otlp.ts'

/**
 * Makes the SDK for traces, not yet started.
 * @param env process.env: the SDK and its exporters read that, here and when they start
 */
export function tracesSdk(resource: Resource, env: Environment): NodeSDK {
  return new NodeSDK({
    resource,
    // Without these two, the SDK would make metric readers and OTLP log processors from the environment.
    metricReaders: [],
    logRecordProcessors: [],
    ...(sendsProtobuf(env) && { spanProcessors: [encodedBatches()] }),
  })
}

function encodedBatches(): tracing.SpanProcessor {
  // The exporter takes its serializer from this object.
  ProtobufTraceSerializer.serializeRequest = traceRequest
  return encoding(new tracing.BatchSpanProcessor(new OTLPTraceExporter()))
}

/** What the SDK's batches ask of a span that has ended. */
interface Batches {
  onEnd(span: Pick<tracing.ReadableSpan, 'resource' | 'instrumentationScope' | 'spanContext'>): void
  forceFlush(): Promise<void>
  shutdown(): Promise<void>
}

/** Encodes each span when it ends, before `batches` has it. */
function encoding(batches: Batches): tracing.SpanProcessor {
  return {
    onStart: () => undefined,
    onEnd(span) {
      try {
        batches.onEnd(new EncodedSpan(span))
      } catch (error) {
        // The work whose span ends here must not fail because of the encoding.
        diag.error(`the span ${span.name} could not be encoded: ${errorOf(error).message}`)
      }
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  }
}
