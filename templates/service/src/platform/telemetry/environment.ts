import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { Environment } from './plan.ts'

/**
 * A sentence for each of OpenTelemetry's variables whose value the SDKs, or we, drop in silence for a default. Values of
 * headers are not shown: they hold keys. What the SDK itself complains of (sampler, BSP, timeouts) is left to it.
 */
export function ignored(env: Environment): string[] {
  return [
    ...['', 'TRACES_', 'METRICS_'].flatMap((signal) =>
      faultOf(env, `OTEL_EXPORTER_OTLP_${signal}HEADERS`, headersFault),
    ),
    ...faultOf(env, 'OTEL_RESOURCE_ATTRIBUTES', attributesFault),
    ...['OTEL_METRIC_EXPORT_INTERVAL', 'OTEL_METRIC_EXPORT_TIMEOUT'].flatMap((name) =>
      faultOf(env, name, positive),
    ),
    ...['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'].flatMap((name) =>
      faultOf(env, name, oneOf('grpc', 'http/protobuf', 'http/json')),
    ),
    ...faultOf(env, 'OTEL_LOG_LEVEL', oneOf('none', 'error', 'warn', 'info', 'debug', 'verbose', 'all')),
    ...faultOf(env, 'OTEL_SDK_DISABLED', oneOf('true', 'false')),
  ]
}

/** What is wrong with a value and what becomes of it; undefined if nothing is. */
type Fault = (value: string) => string | undefined

function faultOf(env: Environment, name: string, fault: Fault): string[] {
  const value = env[name]?.trim()
  const said = value === undefined || value === '' ? undefined : fault(value)
  return said === undefined ? [] : [`${name}: ${said}`]
}

function headersFault(list: string): string | undefined {
  const malformed = entriesOf(list).flatMap((entry, index) => (isHeader(entry) ? [] : [String(index + 1)]))
  if (malformed.length === 0) return undefined
  const which = malformed.length === 1 ? `entry ${malformed[0]} is` : `entries ${malformed.join(', ')} are`
  return `${which} not sent whole; write name=value, with a comma between entries and ; , and % in values as %3B %2C %25`
}

/** The specification wants all of them dropped for one that is malformed. */
function attributesFault(list: string): string | undefined {
  const wrong = entriesOf(list).findIndex(
    (entry) => pairOf(entry) === undefined || entry.split('=').length > 2,
  )
  if (wrong < 0) return undefined
  return `none of it is used, since entry ${wrong + 1} is malformed; write name=value, with = , and % in values as %3D %2C %25`
}

function positive(value: string): string | undefined {
  const number = Number(value)
  return number > 0 && Number.isFinite(number)
    ? undefined
    : `'${value}' is no number of milliseconds above 0; the default holds`
}

function oneOf(...known: string[]): Fault {
  return (value) =>
    known.includes(value.toLowerCase())
      ? undefined
      : `'${value}' is none of ${known.join(', ')}; the default holds`
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

function entriesOf(list: string): string[] {
  return list.split(',').filter((entry) => entry.trim() !== '')
}

/** `name=value`, percent-decoded. */
function pairOf(entry: string): { name: string; value: string } | undefined {
  const at = entry.indexOf('=')
  const name = entry.slice(0, at).trim()
  if (at < 0 || name === '') return undefined
  try {
    return { name: decodeURIComponent(name), value: decodeURIComponent(entry.slice(at + 1).trim()) }
  } catch {
    return undefined
  }
}
