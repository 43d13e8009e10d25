import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** An ended span of the service, with its data about the work. Times are epoch milliseconds. */
export interface EndedSpan {
  readonly name: string
  /** When the work had returned. */
  readonly endedAt: number
  /** When and why its context had ended; undefined if the work finished by itself. */
  readonly context: { readonly at: number; readonly cause: string } | undefined
  /** The answer's status, for a request's span. */
  readonly status: number | undefined
}

/** An OpenTelemetry collector: spans as the service exports them, the latest of each name. */
export interface SpanReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT, with the protocol `http/json`. */
  readonly url: string
  readonly spans: Map<string, EndedSpan>
  close(): Promise<void>
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, string | number>>
}

interface OtlpSpan {
  readonly name: string
  readonly endTimeUnixNano: string
  readonly attributes?: readonly Attribute[]
  readonly events?: readonly { readonly name: string; readonly attributes?: readonly Attribute[] }[]
}

interface OtlpTraces {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}

/** Listens on loopback, on any free port. */
export async function receiveSpans(): Promise<SpanReceiver> {
  const spans = new Map<string, EndedSpan>()
  const receive = async (request: IncomingMessage): Promise<void> => {
    const { resourceSpans = [] } = (await json(request)) as OtlpTraces
    for (const span of resourceSpans.flatMap((each) => each.scopeSpans.flatMap((scope) => scope.spans))) {
      spans.set(span.name, read(span))
    }
  }
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    receive(request).then(
      () => response.end('{}'),
      () => response.writeHead(400).end('{}'),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    async close() {
      const closed = once(server.close(), 'close')
      server.closeAllConnections()
      await closed
    },
  }
}

function read(span: OtlpSpan): EndedSpan {
  const told = span.events?.find(({ name }) => name === 'demo.context_ended')
  const { cause, at } = valuesOf(told?.attributes)
  const status = valuesOf(span.attributes)['http.response.status_code']
  return {
    name: span.name,
    endedAt: Number(BigInt(span.endTimeUnixNano) / 1_000n) / 1_000,
    context: told === undefined ? undefined : { at: Number(at), cause: String(cause) },
    status: status === undefined ? undefined : Number(status),
  }
}

function valuesOf(attributes: readonly Attribute[] = []): Record<string, string | number | undefined> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
