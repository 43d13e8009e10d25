/** What of OpenTelemetry the environment asks for. */
export interface TelemetryPlan {
  /** `OTEL_SDK_DISABLED=true`: nothing is collected. */
  readonly disabled: boolean
  /** Whether spans are made and exported. */
  readonly traces: boolean
  /** Where metrics are sent; `/metrics` shows them in any case. */
  readonly metrics: readonly ('otlp' | 'console')[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads OpenTelemetry's own variables. Its SDKs export to localhost when nothing is said; here nothing is exported
 * unless an exporter or an endpoint is named. An empty variable counts as absent, as the specification wants it.
 */
export function telemetryPlan(env: Environment): TelemetryPlan {
  return {
    disabled: env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true',
    traces: exporters(env, 'TRACES').some((name) => name !== 'none'),
    metrics: exporters(env, 'METRICS').filter((name) => name === 'otlp' || name === 'console'),
  }
}

function exporters(env: Environment, signal: 'TRACES' | 'METRICS'): string[] {
  const named = namesIn(env[`OTEL_${signal}_EXPORTER`])
  if (named.length > 0) return named
  return env[endpointVariable(env, signal)] ? ['otlp'] : []
}

/** The names of a list with commas; none, where it is not given. */
export function namesIn(list: string | undefined): string[] {
  const names = list?.split(',').map((name) => name.trim()) ?? []
  return names.filter((name) => name !== '')
}

/** The variable that says where a signal is sent: its own if that is set, else the one of all. */
export function endpointVariable(env: Environment, signal: 'TRACES' | 'METRICS'): string {
  const own = `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`
  return env[own] ? own : 'OTEL_EXPORTER_OTLP_ENDPOINT'
}
