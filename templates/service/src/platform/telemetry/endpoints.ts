import { once } from 'node:events'
import { connect } from 'node:net'
import { withTimeout, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { endpointVariable, sendsTraces, type Environment, type TelemetryPlan } from './environment.ts'
import { peerOf } from './outcome.ts'

/** A collector in the same cluster answers in milliseconds. */
const connectMs = 3_000

/**
 * Opens a connection to each address that traces and metrics are sent to, so that an address where nothing listens is known
 * before the first batch is lost.
 * @returns what cannot be reached and the variables to look at, with Node's code (`ECONNREFUSED`); undefined if all can be
 * reached, or ctx ends first
 */
export async function unreachable(ctx: Context, plan: TelemetryPlan, env: Environment) {
  const endpoints = new Map<string, string>()
  const signals = [
    ...(sendsTraces(env) ? (['TRACES'] as const) : []),
    ...(plan.metrics.includes('otlp') ? (['METRICS'] as const) : []),
  ]
  for (const signal of signals) {
    const [url, variable] = [urlOf(env, signal), endpointVariable(env, signal)]
    const other = endpoints.get(url)
    endpoints.set(url, other === undefined || other === variable ? variable : `${other} and ${variable}`)
  }
  const failures: Failure[] = []
  for (const [url, variable] of endpoints) failures.push(...(await failuresOf(ctx, url, variable)))
  const [first] = failures
  if (first === undefined || ctx.err !== undefined) return undefined
  const variables = failures.map(({ variable }) => variable)
  return { code: first.code, sentence: failures.map(({ sentence }) => sentence).join('; '), variables }
}

interface Failure {
  readonly code: string
  readonly variable: string
  readonly sentence: string
}

async function failuresOf(parent: Context, url: string, variable: string): Promise<Failure[]> {
  if (!URL.canParse(url)) return [{ code: 'ERR_INVALID_URL', variable, sentence: `not a URL: ${variable}` }]
  const parsed = new URL(url)
  const { 'server.address': host, 'server.port': port } = peerOf(parsed)
  using ctx = withTimeout(parent, connectMs, new Error(`no answer within ${connectMs} ms`))
  const socket = connect({ host, port })
  try {
    await until(ctx, once(socket, 'connect'))
    return []
  } catch (error) {
    // Node reports several addresses of one name, none of which answers, as one error that has the code of the first.
    const { code, message } = errorOf(error) as NodeJS.ErrnoException
    const sentence = `nothing is exported until ${parsed.hostname}:${port} can be reached, check ${variable}: ${code ?? message}`
    return [{ code: code ?? 'ETIMEDOUT', variable, sentence }]
  } finally {
    socket.destroy()
  }
}

/** Returns the address without its path, because one address may take both signals. */
function urlOf(env: Environment, signal: 'TRACES' | 'METRICS'): string {
  const protocol = env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`] || env['OTEL_EXPORTER_OTLP_PROTOCOL']
  const grpc = protocol === 'grpc' && signal === 'TRACES'
  const named = env[endpointVariable(env, signal)] || `http://localhost:${grpc ? 4317 : 4318}`
  // For gRPC the scheme may be left out.
  const url = grpc && !named.includes('://') ? `http://${named}` : named
  return URL.canParse(url) ? new URL(url).origin : url
}
