import { diag } from '@opentelemetry/api'
import {
  ConsoleMetricExporter,
  PeriodicExportingMetricReader,
  type MetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import type { TelemetryPlan } from './plan.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The specification's defaults. */
const defaultIntervalMs = 60_000
const defaultTimeoutMs = 30_000

/**
 * Loads the exporters that `plan` names, and no others: each costs tens of milliseconds.
 * @returns what makes their readers, which is when an exporter reads and judges its own variables
 */
export async function loadMetricReaders(
  plan: TelemetryPlan,
  env: Environment,
): Promise<() => MetricReader[]> {
  const factories = await Promise.all(
    plan.metrics.map((name) => (name === 'otlp' ? loadOtlp(env) : Promise.resolve(createConsole))),
  )
  const intervalMs = milliseconds(env['OTEL_METRIC_EXPORT_INTERVAL']) ?? defaultIntervalMs
  const timeoutMs = milliseconds(env['OTEL_METRIC_EXPORT_TIMEOUT']) ?? defaultTimeoutMs
  return () =>
    factories.map(
      (create) =>
        new PeriodicExportingMetricReader({
          exporter: create(),
          exportIntervalMillis: intervalMs,
          exportTimeoutMillis: Math.min(timeoutMs, intervalMs),
        }),
    )
}

function createConsole(): PushMetricExporter {
  return new ConsoleMetricExporter()
}

async function loadOtlp(env: Environment): Promise<() => PushMetricExporter> {
  const protocol = env['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL']
  const { OTLPMetricExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-metrics-otlp-http')
      : await import('@opentelemetry/exporter-metrics-otlp-proto')
  return () => {
    // Sent to a port for gRPC they would fail as well, and say less.
    if (protocol === 'grpc') {
      diag.warn('metrics are sent by HTTP, not gRPC: set OTEL_EXPORTER_OTLP_METRICS_PROTOCOL and _ENDPOINT')
    }
    return new OTLPMetricExporter()
  }
}

function milliseconds(value: string | undefined): number | undefined {
  const number = Number(value)
  return number > 0 && Number.isFinite(number) ? number : undefined
}
