import type { IncomingMessage, ServerResponse } from 'node:http'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import type { IMetricReader, MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { errorOf } from '../../context/thrown.ts'

/** Metrics in Prometheus' text format, collected when they are asked for. */
export interface PrometheusEndpoint {
  /** For the meter provider. */
  readonly reader: IMetricReader
  /** Answers `GET /metrics`. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void
}

/** How Prometheus names units, at the end of a metric's name. */
const suffixes: Readonly<Record<string, string>> = { s: '_seconds', ms: '_milliseconds', By: '_bytes' }

/**
 * The exporter's own handler leaves the unit out of the names, which dashboards made for OpenTelemetry expect
 * (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/), and the version out of the type.
 */
export function prometheusEndpoint(): PrometheusEndpoint {
  const reader = new PrometheusExporter({ preventServerStart: true })
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true)
  return {
    reader,
    answer(_request, response) {
      // The client waits for the response, nobody for this; a scrape has no context to end with.
      reader.collect().then(
        ({ resourceMetrics }) => {
          response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8')
          response.end(serializer.serialize(withUnits(resourceMetrics)))
        },
        (error: unknown) => {
          response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' })
          response.end(`the metrics could not be collected: ${errorOf(error).message}\n`)
        },
      )
    },
  }
}

function withUnits(collected: ResourceMetrics): ResourceMetrics {
  return {
    ...collected,
    scopeMetrics: collected.scopeMetrics.map((scope) => ({ ...scope, metrics: scope.metrics.map(withUnit) })),
  }
}

function withUnit(metric: MetricData): MetricData {
  const { name, unit } = metric.descriptor
  return { ...metric, descriptor: { ...metric.descriptor, name: name + (suffixes[unit] ?? '') } }
}
