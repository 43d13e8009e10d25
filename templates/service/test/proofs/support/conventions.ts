import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { json } from 'node:stream/consumers'
import { expect } from 'vitest'
import type { RunningTest } from '../../support/service.ts'

/**
 * The names that the conventions define, and the deprecated ones among them, from the types that are generated from their model.
 */
export function model(kind: 'METRIC' | 'ATTR'): { known: Set<string>; deprecated: Set<string> } {
  const folder = dirname(createRequire(import.meta.url).resolve('@opentelemetry/semantic-conventions'))
  const known = new Set<string>()
  const deprecated = new Set<string>()
  for (const part of ['stable', 'experimental']) {
    const file = join(folder, `${part}_${kind === 'ATTR' ? 'attributes' : 'metrics'}.d.mts`)
    const declared = /(\/\*\*(?:(?!\*\/)[^])*\*\/)\s*declare const (\w+): "([^"]+)"/g
    for (const [, comment = '', constant = '', name = ''] of readFileSync(file, 'utf8').matchAll(declared)) {
      if (!constant.startsWith(`${kind}_`)) continue
      known.add(name)
      if (comment.includes('@deprecated')) deprecated.add(name)
    }
  }
  return { known, deprecated }
}

/** Our own names in every service, for things that the conventions do not cover. */
export const ownNames =
  /^(context|db\.client\.cancel|db\.client\.connection\.refus|log\.lines|process\.heap\.limit)/

/** A span as it was received. */
export interface Span {
  readonly name: string
  /** 3 is a client, 4 a producer, 5 a consumer. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: unknown
}

/** A metric as it was received last. */
export interface Metric {
  readonly instrument: 'counter' | 'updowncounter' | 'gauge' | 'histogram' | undefined
  readonly unit: unknown
  /** The attributes of each point. */
  readonly points: readonly Readonly<Record<string, unknown>>[]
}

/** What a collector has received. */
export interface Received {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT, with OTEL_EXPORTER_OTLP_PROTOCOL=http/json. */
  readonly url: string
  readonly spans: readonly Span[]
  readonly metrics: Readonly<Record<string, Metric>>
  readonly resource: Readonly<Record<string, unknown>>
}

/**
 * Fails if a metric or an attribute has a name that the conventions have deprecated or lack.
 * @param own our own names, for things that the conventions do not cover
 */
export function expectKnownNames({ spans, metrics, resource }: Received, own: RegExp): void {
  const used = [...spans.map((span) => span.attributes), resource]
  used.push(...Object.values(metrics).flatMap(({ points }) => points))
  for (const [kind, names] of [
    ['METRIC', Object.keys(metrics)],
    ['ATTR', used.flatMap((each) => Object.keys(each))],
  ] as const) {
    const { known, deprecated } = model(kind)
    for (const name of new Set(names)) {
      if (!own.test(name)) expect(known, name).toContain(name)
      expect(deprecated, name).not.toContain(name)
    }
  }
}

/** A collector for OTLP in JSON that keeps what it receives. It ends with the test. */
export async function startJsonCollector(t: RunningTest): Promise<Received> {
  const spans: Span[] = []
  const metrics: Record<string, Metric> = {}
  let resource: Record<string, unknown> = {}
  const server = createServer((request, response) => {
    json(request).then(
      (body) => {
        visit(body)
        response.setHeader('content-type', 'application/json').end('{}')
      },
      (error: unknown) => response.writeHead(400).end(String(error)),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  function visit(node: unknown): void {
    if (Array.isArray(node)) node.forEach(visit)
    if (!isRecord(node) || Array.isArray(node)) return
    if (isRecord(node['resource'])) resource = attributesOf(node['resource'])
    if ('traceId' in node && 'kind' in node)
      spans.push({
        name: String(node['name']),
        kind: Number(node['kind']),
        attributes: attributesOf(node),
        status: node['status'],
      })
    if ('name' in node && 'unit' in node) metrics[String(node['name'])] = metricOf(node)
    else Object.values(node).forEach(visit)
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    get resource() {
      return resource
    },
  }
}

function metricOf(node: Record<string, unknown>): Metric {
  const { sum, gauge, histogram, unit } = node
  const data = [sum, gauge, histogram].find(isRecord)
  const points = ((data?.['dataPoints'] ?? []) as unknown[]).filter(isRecord).map(attributesOf)
  if (isRecord(sum))
    return { instrument: sum['isMonotonic'] === true ? 'counter' : 'updowncounter', unit, points }
  return {
    instrument: isRecord(histogram) ? 'histogram' : isRecord(gauge) ? 'gauge' : undefined,
    unit,
    points,
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function attributesOf(node: Record<string, unknown>): Record<string, unknown> {
  const list = (node['attributes'] ?? []) as { key: string; value: object }[]
  return Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0] as unknown]))
}
