import type { IncomingMessage, ServerResponse } from 'node:http'
import { diag, type Attributes } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
  type Resource,
} from '@opentelemetry/resources'
import {
  AggregationTemporality,
  ConsoleMetricExporter,
  InstrumentType,
  MeterProvider,
  PeriodicExportingMetricReader,
  type MetricData,
  type MetricProducer,
  type MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import { errorOf } from '../../context/thrown.ts'
import type { Environment, TelemetryPlan } from './environment.ts'
import { keepHistograms, type Histogram } from './histogram.ts'
import { producerOf } from './producer.ts'

/** The SDK for metrics, loaded. */
export interface MetricsSdk {
  /** What the process is called: `serviceName`, unless `OTEL_*` says otherwise. */
  resourceOf(identity: Attributes): Resource
  /** Starts to collect. An exporter reads and judges its own variables only now. */
  startMetrics(resource: Resource): { meters: MeterProvider; answer: Answer }
}

/** Answers `GET /metrics`. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** Loads the OTLP exporter if `plan` names it: it costs tens of milliseconds. */
export async function loadMetrics(plan: TelemetryPlan, env: Environment): Promise<MetricsSdk> {
  const protocol = env['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL']
  const otlp = plan.metrics.includes('otlp') ? await loadOtlp(protocol) : undefined
  const exportIntervalMillis = milliseconds(env['OTEL_METRIC_EXPORT_INTERVAL']) ?? 60_000
  const timeoutMs = milliseconds(env['OTEL_METRIC_EXPORT_TIMEOUT']) ?? 30_000
  const exportTimeoutMillis = Math.min(timeoutMs, exportIntervalMillis)
  const createReaders = (histograms: () => readonly Histogram[]): MetricReader[] => {
    // A port for gRPC refuses metrics sent by HTTP, but its error does not say why.
    if (otlp !== undefined && protocol === 'grpc')
      diag.warn('metrics are sent by HTTP, not gRPC: set OTEL_EXPORTER_OTLP_METRICS_PROTOCOL and _ENDPOINT')
    return plan.metrics.map((name, index) => {
      const exporter = name === 'otlp' && otlp ? new otlp.OTLPMetricExporter() : new ConsoleMetricExporter()
      const temporality = exporter.selectAggregationTemporality(InstrumentType.HISTOGRAM)
      return new PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis,
        exportTimeoutMillis,
        metricProducers: [producerOf(histograms, index + 1, temporality)],
      })
    })
  }
  return {
    resourceOf: (identity) =>
      defaultResource()
        .merge(resourceFromAttributes(identity))
        .merge(detectResources({ detectors: [envDetector] })),
    startMetrics(resource) {
      let histograms: readonly Histogram[] = []
      const own = () => histograms
      const { reader, answer } = prometheusEndpoint(producerOf(own, 0, AggregationTemporality.CUMULATIVE))
      const readers = [reader, ...createReaders(own)]
      const meters = new MeterProvider({ resource, readers })
      histograms = keepHistograms(meters, readers.length)
      return { meters, answer }
    },
  }
}

function loadOtlp(protocol: string | undefined) {
  return protocol === 'http/json'
    ? import('@opentelemetry/exporter-metrics-otlp-http')
    : import('@opentelemetry/exporter-metrics-otlp-proto')
}

function milliseconds(value: string | undefined): number | undefined {
  const number = Number(value)
  return number > 0 && Number.isFinite(number) ? number : undefined
}

/** How Prometheus names units, at the end of a metric's name. */
const suffixes: Readonly<Record<string, string>> = { s: '_seconds', ms: '_milliseconds', By: '_bytes' }

/**
 * Returns a reader for the meter provider, and the function that answers `GET /metrics` with what the reader then collects, in
 * Prometheus' text format. The exporter's own handler omits the version from the content type, and the unit from the names,
 * where dashboards made for OpenTelemetry expect it
 * (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/).
 */
function prometheusEndpoint(producer: MetricProducer) {
  const reader = new PrometheusExporter({ preventServerStart: true, metricProducers: [producer] })
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true)
  const answer: Answer = (_request, response) => {
    // The serializer throws, for example, if an attribute is a function.
    const text = reader
      .collect()
      .then(({ resourceMetrics }) => serializer.serialize(withUnits(resourceMetrics)))
    // The client waits for the response, nobody for this; a scrape has no context to end with.
    text.then(
      (text) => {
        response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8')
        response.end(text)
      },
      (error: unknown) => {
        const failure = `the metrics could not be collected: ${errorOf(error).message}`
        diag.error(failure)
        response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' })
        response.end(`${failure}\n`)
      },
    )
  }
  return { reader, answer }
}

function withUnits(collected: ResourceMetrics): ResourceMetrics {
  const named = ({ descriptor, ...data }: MetricData): MetricData => {
    const name = descriptor.name + (suffixes[descriptor.unit] ?? '')
    return { ...data, descriptor: { ...descriptor, name } }
  }
  const scopeMetrics = collected.scopeMetrics.map((scope) => ({
    ...scope,
    metrics: scope.metrics.map(named),
  }))
  return { ...collected, scopeMetrics }
}
