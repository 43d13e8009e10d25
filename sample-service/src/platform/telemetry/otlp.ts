import type { tracing } from '@opentelemetry/sdk-node'
import { Protobuf } from './protobuf.ts'

/*
 * OTLP's trace.proto, by the numbers of its fields:
 * https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
 */

type Span = tracing.ReadableSpan
type Attributes = Span['attributes']
type Link = Span['links'][number]
type SpanContext = Link['context']

/**
 * A span that has ended, as OTLP's bytes. Encoding it at once costs half of what it costs seconds later, when the processor's
 * caches have forgotten it, and the garbage collector need not keep its objects until then.
 */
export class EncodedSpan {
  readonly resource: Span['resource']
  readonly instrumentationScope: Span['instrumentationScope']
  readonly bytes: Uint8Array
  readonly #context: SpanContext

  constructor(span: Span) {
    this.resource = span.resource
    this.instrumentationScope = span.instrumentationScope
    this.#context = span.spanContext()
    const out = new Protobuf()
    writeSpan(out, span)
    this.bytes = out.taken()
  }

  spanContext(): SpanContext {
    return this.#context
  }
}

/**
 * Returns the ExportTraceServiceRequest for `spans`: the same bytes that OpenTelemetry's serializer makes, in a third of its
 * time. That one goes through each span twice, first to learn its size.
 */
export function traceRequest(spans: readonly (Span | EncodedSpan)[]): Uint8Array {
  const out = new Protobuf()
  for (const [resource, scopes] of grouped(spans)) {
    const start = out.begin(1)
    writeResource(out, resource)
    for (const [scope, ofScope] of scopes) writeScope(out, scope, ofScope)
    if (resource.schemaUrl) out.text(3, resource.schemaUrl)
    out.end(start)
  }
  return out.taken()
}

type Grouped = Map<Span['resource'], Map<Span['instrumentationScope'], (Span | EncodedSpan)[]>>

function grouped(spans: readonly (Span | EncodedSpan)[]): Grouped {
  const resources: Grouped = new Map()
  for (const span of spans) {
    let scopes = resources.get(span.resource)
    if (scopes === undefined) resources.set(span.resource, (scopes = new Map()))
    const ofScope = scopes.get(span.instrumentationScope)
    if (ofScope === undefined) scopes.set(span.instrumentationScope, [span])
    else ofScope.push(span)
  }
  return resources
}

function writeResource(out: Protobuf, { attributes }: Span['resource']): void {
  const start = out.begin(1)
  writeAttributes(out, 1, attributes)
  out.number(2, 0)
  out.end(start)
}

function writeScope(
  out: Protobuf,
  scope: Span['instrumentationScope'],
  spans: readonly (Span | EncodedSpan)[],
): void {
  const start = out.begin(2)
  const about = out.begin(1)
  out.text(1, scope.name)
  if (scope.version) out.text(2, scope.version)
  out.end(about)
  for (const span of spans) {
    if (span instanceof EncodedSpan) out.append(span.bytes)
    else writeSpan(out, span)
  }
  if (scope.schemaUrl) out.text(3, scope.schemaUrl)
  out.end(start)
}

function writeSpan(out: Protobuf, span: Span): void {
  const own = span.spanContext()
  const parent = span.parentSpanContext
  const start = out.begin(2)
  writeIds(out, own)
  if (parent !== undefined) out.hex(4, parent.spanId)
  out.text(5, span.name)
  // The API counts from 0, OTLP from 1.
  out.number(6, span.kind + 1)
  out.time(7, span.startTime)
  out.time(8, span.endTime)
  writeAttributes(out, 9, span.attributes)
  out.number(10, span.droppedAttributesCount)
  for (const event of span.events) writeEvent(out, event)
  out.number(12, span.droppedEventsCount)
  for (const link of span.links) writeLink(out, link)
  out.number(14, span.droppedLinksCount)
  writeStatus(out, span.status)
  out.fixed32(16, flagsOf(own, parent))
  out.end(start)
}

function writeIds(out: Protobuf, { traceId, spanId, traceState }: SpanContext): void {
  out.hex(1, traceId)
  out.hex(2, spanId)
  const state = traceState?.serialize()
  if (state) out.text(3, state)
}

/** The bit 0x200 says that `other` belongs to another process; 0x100 says that this is known. */
function flagsOf({ traceFlags }: SpanContext, other: SpanContext | undefined): number {
  return (traceFlags & 0xff) | 0x100 | (other?.isRemote === true ? 0x200 : 0)
}

function writeLink(out: Protobuf, { context, attributes = {}, droppedAttributesCount = 0 }: Link): void {
  const start = out.begin(13)
  writeIds(out, context)
  writeAttributes(out, 4, attributes)
  out.number(5, droppedAttributesCount)
  out.fixed32(6, flagsOf(context, context))
  out.end(start)
}

function writeEvent(out: Protobuf, event: Span['events'][number]): void {
  const start = out.begin(11)
  out.time(1, event.time)
  out.text(2, event.name)
  writeAttributes(out, 3, event.attributes ?? {})
  out.number(4, event.droppedAttributesCount ?? 0)
  out.end(start)
}

function writeStatus(out: Protobuf, { code, message }: Span['status']): void {
  const start = out.begin(15)
  if (message) out.text(2, message)
  out.number(3, code)
  out.end(start)
}

/** KeyValue: a key and an AnyValue. */
function writeAttributes(out: Protobuf, field: number, attributes: Attributes): void {
  for (const key in attributes) {
    const start = out.begin(field)
    out.text(1, key)
    const value = out.begin(2)
    writeValue(out, attributes[key])
    out.end(value)
    out.end(start)
  }
}

/** AnyValue. The SDK lets no other value through; a null in a list is one without a value. */
function writeValue(out: Protobuf, value: unknown): void {
  if (typeof value === 'string') out.text(1, value)
  else if (typeof value === 'boolean') out.number(2, Number(value))
  else if (typeof value === 'number' && isInt64(value)) out.number(3, value)
  else if (typeof value === 'number') out.double(4, value)
  else if (Array.isArray(value)) writeList(out, value)
}

function writeList(out: Protobuf, values: readonly unknown[]): void {
  const start = out.begin(5)
  for (const value of values) {
    const element = out.begin(1)
    writeValue(out, value)
    out.end(element)
  }
  out.end(start)
}

function isInt64(value: number): boolean {
  return Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63
}
