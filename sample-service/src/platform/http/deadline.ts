import type { IncomingHttpHeaders } from 'node:http'

const grpcUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

/**
 * Returns how many milliseconds the caller waits, or undefined. HTTP has no standard for it: this reads Envoy's
 * `x-envoy-expected-rq-timeout-ms` and gRPC's `grpc-timeout` (https://grpc.io/docs/guides/deadlines), takes the shorter and
 * ignores invalid values.
 */
export function callerTimeoutMs(headers: IncomingHttpHeaders): number | undefined {
  const envoy = envoyTimeoutMs(headers['x-envoy-expected-rq-timeout-ms'])
  const grpc = grpcTimeoutMs(headers['grpc-timeout'])
  return envoy === undefined || (grpc !== undefined && grpc < envoy) ? grpc : envoy
}

function envoyTimeoutMs(value: string | string[] | undefined): number | undefined {
  return typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : undefined
}

function grpcTimeoutMs(value: string | string[] | undefined): number | undefined {
  const [, digits, unit] = (typeof value === 'string' && /^(\d{1,8})([HMSmun])$/.exec(value)) || []
  const unitMs = grpcUnitMs[unit ?? '']
  return digits === undefined || unitMs === undefined ? undefined : Number(digits) * unitMs
}
