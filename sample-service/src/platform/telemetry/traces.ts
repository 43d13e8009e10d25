import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { Resource } from '@opentelemetry/resources'
import { NodeSDK, tracing } from '@opentelemetry/sdk-node'
import { sendsProtobuf, type Environment } from './environment.ts'
import { EncodedSpan, traceRequest } from './otlp.ts'

/** Makes the SDK for traces, not yet started. It reads the variables in `env` itself, here and when it starts. */
export function tracesSdk(resource: Resource, env: Environment): NodeSDK {
  // The exporter takes its serializer from this object.
  ProtobufTraceSerializer.serializeRequest = traceRequest
  return new NodeSDK({
    resource,
    // Left out, the SDK makes metric readers and log processors from the environment, the latter for OTLP.
    metricReaders: [],
    logRecordProcessors: [],
    ...(sendsProtobuf(env) && {
      spanProcessors: [encoding(new tracing.BatchSpanProcessor(new OTLPTraceExporter()))],
    }),
  })
}

/** Encodes each span when it ends, before `batches` has it. */
function encoding(batches: tracing.SpanProcessor): tracing.SpanProcessor {
  return {
    onStart: () => undefined,
    // The SDK's batches ask a span for its context and its resource.
    onEnd: (span) => batches.onEnd(new EncodedSpan(span) as unknown as tracing.ReadableSpan),
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  }
}
