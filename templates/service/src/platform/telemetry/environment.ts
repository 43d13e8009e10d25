import { validateHeaderName, validateHeaderValue } from 'node:http'

export type Environment = Readonly<Record<string, string | undefined>>

/** What the environment asks of OpenTelemetry. */
export interface TelemetryPlan {
  /** `OTEL_SDK_DISABLED=true`: nothing is collected. */
  readonly disabled: boolean
  /** Whether spans are made and exported. */
  readonly traces: boolean
  /** Where metrics are sent; `/metrics` shows them in any case. */
  readonly metrics: readonly ('otlp' | 'console')[]
}

/**
 * Reads OpenTelemetry's own variables. Its SDKs export to localhost by default; here nothing is exported unless an exporter
 * or an endpoint is named. An empty variable counts as absent, as the specification wants it.
 */
export function telemetryPlan(env: Environment): TelemetryPlan {
  return {
    disabled: env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true',
    traces: exporters(env, 'TRACES').some((name) => name !== 'none'),
    metrics: exporters(env, 'METRICS').filter((name) => name === 'otlp' || name === 'console'),
  }
}

/** Whether spans go to a collector as OTLP/protobuf, and nowhere else, in batches of valid sizes. */
export function sendsProtobuf(env: Environment): boolean {
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL']
  const isProtobuf = (protocol?.trim() || 'http/protobuf') === 'http/protobuf'
  const named = exporters(env, 'TRACES')
  return isProtobuf && named.length > 0 && named.every((name) => name === 'otlp') && hasBatches(env)
}

/** NodeSDK warns of an invalid `OTEL_BSP_*` and takes the default; a BatchSpanProcessor that is made directly takes the value. */
function hasBatches(env: Environment): boolean {
  const names = ['MAX_EXPORT_BATCH_SIZE', 'MAX_QUEUE_SIZE', 'SCHEDULE_DELAY', 'EXPORT_TIMEOUT']
  return names.every((name) => Number(env[`OTEL_BSP_${name}`]?.trim() || 1) > 0)
}

/** Whether spans go to a collector by OTLP: the SDK takes a list in which none is not the first for the default, otlp. */
export function sendsTraces(env: Environment): boolean {
  const named = exporters(env, 'TRACES')
  return named[0] !== 'none' && (named.includes('otlp') || named.includes('none'))
}

function exporters(env: Environment, signal: 'TRACES' | 'METRICS'): string[] {
  const named = entriesOf(env[`OTEL_${signal}_EXPORTER`] ?? '')
  if (named.length > 0) return named
  return env[endpointVariable(env, signal)] ? ['otlp'] : []
}

/** The variable that says where a signal is sent: its own if that is set, else the one for all signals. */
export function endpointVariable(env: Environment, signal: 'TRACES' | 'METRICS'): string {
  const own = `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`
  return env[own] ? own : 'OTEL_EXPORTER_OTLP_ENDPOINT'
}

/**
 * Returns one sentence about the settings that the SDKs or we would silently ignore; undefined if nothing is ignored. It shows
 * no values of headers, because they hold keys, and leaves out what the SDK itself reports (sampler, BSP, timeouts).
 * @param tracing whether the SDK made a tracer of what the environment says
 */
export function ignored(plan: TelemetryPlan, env: Environment, tracing: boolean): string | undefined {
  const lost = plan.traces && !tracing ? ['OTEL_TRACES_EXPORTER: no traces will be exported'] : []
  return [...lost, ...badVariables(env)].join('; ') || undefined
}

/** A sentence for each variable whose value the SDKs or we ignore, in whole or in part. */
export function badVariables(env: Environment): string[] {
  return Object.entries(faults).flatMap(([name, faultOf]) => {
    const value = env[name]?.trim() ?? ''
    const fault = value === '' ? undefined : faultOf(value)
    return fault === undefined ? [] : [`${name}: ${fault}`]
  })
}

/** What is wrong with a value, and what becomes of it; undefined if nothing is wrong. */
type Fault = (value: string) => string | undefined

const protocol = oneOf('grpc', 'http/protobuf', 'http/json')
const noLogs = 'no logs will be exported: the log goes to stdout, for the platform to collect'

const faults: Readonly<Record<string, Fault>> = {
  OTEL_METRICS_EXPORTER: unknownExporter,
  OTEL_LOGS_EXPORTER: (value) => (entriesOf(value).some((name) => name !== 'none') ? noLogs : undefined),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: () => noLogs,
  OTEL_NODE_ENABLED_INSTRUMENTATIONS: () =>
    'it has no effect: the service has no loader hook that could instrument a library, and makes its own spans',
  OTEL_EXPORTER_OTLP_HEADERS: malformedHeaders,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: malformedHeaders,
  OTEL_EXPORTER_OTLP_METRICS_HEADERS: malformedHeaders,
  OTEL_RESOURCE_ATTRIBUTES: malformedAttributes,
  OTEL_METRIC_EXPORT_INTERVAL: notPositive,
  OTEL_METRIC_EXPORT_TIMEOUT: notPositive,
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_LOG_LEVEL: oneOf('none', 'error', 'warn', 'info', 'debug', 'verbose', 'all'),
  OTEL_SDK_DISABLED: oneOf('true', 'false'),
}

function unknownExporter(value: string): string | undefined {
  const unknown = entriesOf(value).find((name) => !/^(otlp|console|prometheus|none)$/.test(name))
  return unknown && `there is no exporter ${unknown}`
}

function malformedHeaders(value: string): string | undefined {
  const malformed = entriesOf(value).flatMap((entry, index) => (isHeader(entry) ? [] : [index + 1]))
  if (malformed.length === 0) return undefined
  const which = malformed.length === 1 ? `entry ${malformed[0]} is` : `entries ${malformed.join(', ')} are`
  return `${which} not sent whole; write name=value, with a comma between entries and ; , and % in values as %3B %2C %25`
}

/** The specification drops all attributes if one is malformed. */
function malformedAttributes(value: string): string | undefined {
  const wrong = entriesOf(value).findIndex((entry) => pairOf(entry) === undefined || /=.*=/.test(entry))
  if (wrong < 0) return undefined
  return `none of it is used, since entry ${wrong + 1} is malformed; write name=value, with = , and % in values as %3D %2C %25`
}

function notPositive(value: string): string | undefined {
  if (Number(value) > 0 && Number.isFinite(Number(value))) return undefined
  return `'${value}' is not a number of milliseconds above 0; the default applies`
}

function oneOf(...known: string[]): Fault {
  return (value) =>
    known.includes(value.toLowerCase())
      ? undefined
      : `'${value}' is none of ${known.join(', ')}; the default applies`
}

function isHeader(entry: string): boolean {
  const pair = pairOf(entry)
  // The SDK takes what follows a semicolon for metadata, and drops it.
  if (pair === undefined || pair.value === '' || entry.includes(';')) return false
  try {
    validateHeaderName(pair.name)
    validateHeaderValue(pair.name, pair.value)
    return true
  } catch {
    return false
  }
}

/** The entries of a list with commas, without the empty ones. */
function entriesOf(list: string): string[] {
  const entries = list.split(',').map((entry) => entry.trim())
  return entries.filter((entry) => entry !== '')
}

/** `name=value`, percent-decoded. */
function pairOf(entry: string): { name: string; value: string } | undefined {
  const [, name, value] = /^([^=]*[^=\s])\s*=\s*(.*)$/s.exec(entry) ?? []
  if (name === undefined || value === undefined) return undefined
  try {
    return { name: decodeURIComponent(name), value: decodeURIComponent(value) }
  } catch {
    return undefined
  }
}
