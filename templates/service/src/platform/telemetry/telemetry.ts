import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { context as ambient, diag, metrics, propagation, trace } from '@opentelemetry/api'
import {
  contextName,
  remainingMs,
  withCancel,
  withoutCancel,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { diagnostics, diagnosticsLevel, type Diagnostics } from './diagnostics.ts'
import { unreachable } from './endpoints.ts'
import { ignored, telemetryPlan } from './environment.ts'
import type { Log } from './log.ts'
import { observeEventLoop, observeMemory } from './metrics.ts'
import { tracer } from './span.ts'
import { serviceVersion } from './version.ts'

/** OpenTelemetry's SDK, started. One a process at a time: its API is global. */
export interface Telemetry {
  /** Answers `GET /metrics` in Prometheus' text format. */
  readonly metrics: (request: IncomingMessage, response: ServerResponse) => void
  /** Exports what is held, as long as ctx lasts, and stops. Never rejects: it logs what could not be exported. */
  close(ctx: Context): Promise<void>
}

/** Before its context's deadline `close` gives up, so that a caller that waits under that context still sees it return. */
const returnMs = 50

/**
 * Collects metrics; exports traces and metrics where the environment names an endpoint or an exporter (`OTEL_*`,
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). Nothing is instrumented from
 * outside, and no loader hook is needed: the service makes its own spans.
 * @throws the cause of ctx if it ends first
 */
export async function startTelemetry(
  ctx: Context,
  options: { serviceName: string; log: Log },
): Promise<Telemetry> {
  const { log, serviceName } = options
  const plan = telemetryPlan(process.env)
  if (plan.disabled) return { metrics: nothingCollected, close: () => Promise.resolve() }

  // The SDK for traces takes a quarter of a second to load, that for metrics a tenth: only what is needed is loaded.
  const loading = Promise.all([
    // eslint-disable-next-line no-restricted-syntax -- a service without traces need not load the SDK for them
    plan.traces ? import('./traces.ts') : undefined,
    // eslint-disable-next-line no-restricted-syntax -- a service without telemetry need not load the SDK for metrics
    import('./readers.ts').then(({ loadMetrics }) => loadMetrics(plan, process.env)),
  ])
  const [traces, sdk] = await until(ctx, loading)
  const resource = sdk.resourceOf({
    'service.name': serviceName,
    'service.version': serviceVersion(),
    'service.instance.id': randomUUID(),
  })
  // Exporters report long after the start is over, on behalf of the process.
  const reports = diagnostics(withoutCancel(ctx), log)
  const hear = () => {
    const logLevel = diagnosticsLevel(process.env['OTEL_LOG_LEVEL'])
    diag.setLogger(reports.logger, { logLevel, suppressOverrideMessage: true })
  }
  hear()
  const tracing = traces?.tracesSdk(resource, process.env)
  // Again: the SDK has put a logger on the console if OTEL_LOG_LEVEL is set.
  hear()
  tracing?.start()
  // The SDK keeps an ambient span across promises, and every promise of the process pays for it (before Node 24). Our spans hang
  // from ctx. Remove this line if you instrument libraries, which ask for the ambient span.
  ambient.disable()
  const { answer, meters } = sdk.startMetrics(resource)
  metrics.setGlobalMeterProvider(meters)
  const stopObserving = observeEventLoop()
  observeMemory()
  const lost = ignored(plan, process.env, tracer() !== undefined)
  if (lost !== undefined) log.warn(ctx, `telemetry: ${lost}`)

  // The start does not wait for this check, so the check has its own context, which ends with the check or telemetry.
  const checking: CancelContext & Lifetime = withCancel(
    withValue(withoutCancel(ctx), contextName, 'telemetry check'),
  )
  const checked = unreachable(checking, plan, process.env)
    .then((found) => found && reports.warnOfFailures(found.code, found.sentence))
    .finally(() => checking.cancel())
  return {
    metrics: answer,
    async close(ctx) {
      checking.cancel()
      await checked
      await shutDown(ctx, log, reports, [tracing, meters])
      stopObserving()
      for (const api of [trace, metrics, propagation, ambient, diag]) api.disable()
    },
  }
}

/** Exports what is held and stops the SDK. Waits for every part, even if another fails: lost metrics lose no traces. */
async function shutDown(
  parent: Context,
  log: Log,
  reports: Diagnostics,
  parts: readonly ({ shutdown(): Promise<void> } | undefined)[],
): Promise<void> {
  using ctx = withTimeout(parent, remainingMs(parent) - returnMs)
  const before = reports.count
  const ends = Promise.allSettled(parts.map(async (part) => part?.shutdown()))
  const failures = await until(ctx, ends).then(
    (all) => all.flatMap((end) => (end.status === 'rejected' ? [errorOf(end.reason).message] : [])),
    (error: unknown) => [errorOf(error).message],
  )
  if (failures.length === 0 && reports.count === before) return
  log.warn(ctx, 'telemetry: not all was exported; the last spans or metrics are lost', { failures })
}

function nothingCollected(_request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('content-type', 'text/plain')
  response.end('# nothing is collected: OTEL_SDK_DISABLED is set\n')
}
