import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { RunningTest } from './service.ts'

const Value = z.record(z.string(), z.unknown())
const Attributes = z
  .array(z.object({ key: z.string(), value: Value }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]])))
const Resource = z.object({ attributes: Attributes })
const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  name: z.string(),
  kind: z.number(),
  startTimeUnixNano: z.coerce.bigint(),
  attributes: Attributes,
  events: z.array(z.object({ name: z.string(), attributes: Attributes })).default([]),
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
  status: z.object({ code: z.number().default(0), message: z.string().optional() }).prefault({}),
})
const Traces = z.object({
  resourceSpans: z.array(
    z.object({ resource: Resource, scopeSpans: z.array(z.object({ spans: z.array(Span) })) }),
  ),
})
const Metrics = z.object({
  resourceMetrics: z.array(
    z.object({
      resource: Resource,
      scopeMetrics: z.array(z.object({ metrics: z.array(z.object({ name: z.string() })) })),
    }),
  ),
})

/** A received span, with its resource. A root has the parent ''. */
export type ReceivedSpan = z.output<typeof Span> & { readonly resource: Readonly<Record<string, unknown>> }

/** An OpenTelemetry collector for OTLP over HTTP, which keeps what it receives. It reads JSON, and only counts protobuf. */
export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  readonly spans: readonly ReceivedSpan[]
  /** The names of all metrics that arrived. */
  readonly metrics: ReadonlySet<string>
  /** Each request: `POST /v1/traces application/json`. */
  readonly requests: readonly string[]
  /** Resolves when `holds` returns true; it calls `holds` after each request. */
  until(holds: () => boolean): Promise<void>
}

/** Listens on loopback until the test ends. @param options.holdMs how long it delays each answer */
export async function startCollector(t: RunningTest, options: { holdMs?: number } = {}): Promise<Collector> {
  const spans: ReceivedSpan[] = []
  const metrics = new Set<string>()
  const requests: string[] = []
  const waiting = new Set<() => void>()

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const type = request.headers['content-type'] ?? 'none'
    const isJson = type === 'application/json'
    const received: unknown = isJson ? await json(request) : await once(request.resume(), 'end')
    await delay(options.holdMs ?? 0)
    requests.push(`${String(request.method)} ${String(request.url)} ${type}`)
    if (isJson && request.url === '/v1/traces') {
      for (const { resource, scopeSpans } of Traces.parse(received).resourceSpans) {
        for (const scope of scopeSpans) {
          for (const span of scope.spans) spans.push({ ...span, resource: resource.attributes })
        }
      }
    } else if (isJson && request.url === '/v1/metrics') {
      for (const { scopeMetrics } of Metrics.parse(received).resourceMetrics) {
        for (const scope of scopeMetrics) for (const { name } of scope.metrics) metrics.add(name)
      }
    }
    for (const check of waiting) check()
    response.setHeader('content-type', type).end(isJson ? '{}' : undefined)
  }
  const server = createServer((request, response) => {
    receive(request, response).catch((error: unknown) => response.writeHead(400).end(String(error)))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    requests,
    until(holds) {
      if (holds()) return Promise.resolve()
      return new Promise((resolve) => {
        const check = (): void => {
          if (!holds()) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
      })
    },
  }
}
