import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { tracing } from '@opentelemetry/sdk-node'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { startCollector } from '../../../support/otlp.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { EncodedSpan, traceRequest } from '../../../../src/platform/telemetry/otlp.ts'
import { span } from '../../../../src/platform/telemetry/span.ts'
import { startTelemetry } from '../../../../src/platform/telemetry/telemetry.ts'

// Before startTelemetry puts ours in its place.
const serialize = ProtobufTraceSerializer.serializeRequest

const number = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double(), fc.constantFrom(2 ** 62, -(2 ** 63)))
const plain = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string(), number, fc.boolean())
const attributes = fc.dictionary(
  fc.string({ minLength: 1 }),
  fc.oneof(plain, fc.array(fc.string()), fc.array(fc.integer())),
)
const hex = (length: number) =>
  fc
    .string({
      unit: fc.constantFrom(...Array.from('0123456789abcdefABCDEF')),
      minLength: length,
      maxLength: length,
    })
    .filter((digits) => /[^0]/.test(digits))
const caller = fc.record({
  traceId: hex(32),
  spanId: hex(16),
  traceFlags: fc.constant(1),
  isRemote: fc.boolean(),
})
const made = fc.record({
  name: fc.string(),
  kind: fc.constantFrom<SpanKind[]>(SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.CONSUMER),
  caller: fc.option(caller),
  attributes,
  events: fc.array(fc.record({ name: fc.string(), attributes }), { maxLength: 3 }),
  links: fc.array(caller, { maxLength: 3 }),
  message: fc.option(fc.string()),
  startTime: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') }),
})

/** The spans as the SDK ends them. */
function recorded(
  all: readonly (typeof made extends fc.Arbitrary<infer T> ? T : never)[],
  resource: Record<string, string | number>,
): tracing.ReadableSpan[] {
  const exporter = new tracing.InMemorySpanExporter()
  const provider = new tracing.BasicTracerProvider({
    resource: resourceFromAttributes(resource),
    spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
  })
  for (const [index, one] of all.entries()) {
    const above = one.caller === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, one.caller)
    const { kind, startTime } = one
    const options = {
      kind,
      startTime,
      attributes: one.attributes,
      links: one.links.map((context) => ({ context })),
    }
    const current = provider.getTracer(`scope ${index % 2}`, '1.2.3').startSpan(one.name, options, above)
    for (const event of one.events) current.addEvent(event.name, event.attributes)
    if (one.message !== null) current.setStatus({ code: SpanStatusCode.ERROR, message: one.message })
    current.end()
  }
  return exporter.getFinishedSpans()
}

test("spans become the same bytes as with OpenTelemetry's own serializer", () => {
  fc.assert(
    fc.property(fc.array(made, { maxLength: 20 }), fc.dictionary(fc.string(), plain), (all, resource) => {
      const spans = recorded(all, resource as Record<string, string | number>)
      const encoded = spans.map((span) => new EncodedSpan(span))
      expect(traceRequest(encoded)).toEqual(traceRequest(spans))
      expect(Buffer.from(traceRequest(spans))).toEqual(Buffer.from(serialize(spans) ?? []))
    }),
  )
})

test('a batch may be larger than every earlier one', () => {
  const long = 'ü'.repeat(100_000)
  const about = {
    kind: SpanKind.SERVER,
    caller: null,
    attributes: { long },
    events: [],
    links: [],
    message: null,
  }
  const spans = recorded(
    ['a', 'b', 'c', 'd'].map((name) => ({ ...about, name, startTime: new Date(0) })),
    {},
  )
  expect(Buffer.compare(traceRequest(spans), serialize(spans) ?? Buffer.alloc(0))).toBe(0)
})

test("the SDK's exporter for protobuf uses it", async (t) => {
  const collector = await startCollector(t)
  vi.stubEnv('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', `${collector.url}/v1/traces`)
  t.onTestFinished(() => void vi.unstubAllEnvs())
  const ctx = testContext(t)
  const telemetry = await startTelemetry(ctx, { serviceName: 'shop', log: recordedLog() })
  expect(ProtobufTraceSerializer.serializeRequest).toBe(traceRequest)
  const serialized = vi.spyOn(ProtobufTraceSerializer, 'serializeRequest')
  await span(ctx, 'work', {}, () => Promise.resolve())
  await telemetry.close(ctx)

  expect(serialized).toHaveBeenCalledOnce()
  expect(collector.requests).toEqual(['POST /v1/traces application/x-protobuf'])
})
