import { once } from 'node:events'
import { connect } from 'node:net'
import { withTimeout, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { ignored } from './environment.ts'
import { endpointVariable, namesIn, type Environment, type TelemetryPlan } from './plan.ts'

/** Where a signal is sent, and the variable that says so. */
interface Endpoint {
  readonly variable: string
  readonly url: string
}

/** A collector in the same cluster answers in milliseconds. */
const connectMs = 3_000

/**
 * What the environment asks for and will not be exported wherever it is sent, or is malformed, as one sentence; undefined
 * if there is nothing of the kind. The SDKs pass over it in silence.
 * @param tracing whether a tracer was made of what the environment says
 */
export function unexported(plan: TelemetryPlan, env: Environment, tracing: boolean): string | undefined {
  const said: string[] = []
  if (plan.traces && !tracing) {
    said.push('traces were asked for and none will be exported; check OTEL_TRACES_EXPORTER')
  }
  const metrics = unknownIn(env['OTEL_METRICS_EXPORTER'], ['otlp', 'console', 'prometheus', 'none'])
  if (metrics !== undefined) said.push(`there is no exporter ${metrics}; check OTEL_METRICS_EXPORTER`)
  const logs =
    unknownIn(env['OTEL_LOGS_EXPORTER'], ['none']) ?? (env['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT'] || undefined)
  if (logs !== undefined) {
    said.push(
      'logs were asked for and none will be exported: they are lines on stdout, for the platform to collect',
    )
  }
  if (env['OTEL_NODE_ENABLED_INSTRUMENTATIONS']) {
    said.push(
      'OTEL_NODE_ENABLED_INSTRUMENTATIONS has no effect: no loader hook is there that could instrument a library, the service makes its own spans',
    )
  }
  said.push(...ignored(env))
  return said.length > 0 ? said.join('; ') : undefined
}

/** An address that cannot be reached, and what to look at. */
export interface Unreachable {
  /** Node's, as `ECONNREFUSED`. */
  readonly code: string
  readonly sentence: string
}

/**
 * Opens a connection to each address that traces and metrics are sent to, which tells before the first batch is lost whether
 * anything is there.
 * @returns undefined if all can be reached, or ctx ends first
 */
export async function unreachable(
  ctx: Context,
  plan: TelemetryPlan,
  env: Environment,
): Promise<Unreachable | undefined> {
  const endpoints = [
    ...(plan.traces ? [endpointOf(env, 'TRACES')] : []),
    ...(plan.metrics.includes('otlp') ? [endpointOf(env, 'METRICS')] : []),
  ]
  const distinct = new Map(endpoints.map((endpoint) => [endpoint.url, endpoint]))
  const failures: (Unreachable | undefined)[] = []
  using checks = group(ctx)
  for (const [index, endpoint] of Array.from(distinct.values()).entries()) {
    checks.go(async (ctx) => {
      failures[index] = await failureOf(ctx, endpoint)
    })
  }
  await checks.wait()
  const [first, ...more] = failures.filter((failure) => failure !== undefined)
  if (first === undefined || ctx.err !== undefined) return undefined
  return { code: first.code, sentence: [first, ...more].map(({ sentence }) => sentence).join('; ') }
}

async function failureOf(parent: Context, { variable, url }: Endpoint): Promise<Unreachable | undefined> {
  if (!URL.canParse(url)) return { code: 'ERR_INVALID_URL', sentence: `${variable} is no URL` }
  const { hostname, port, protocol } = new URL(url)
  const address = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
  }
  using ctx = withTimeout(parent, connectMs, new Error(`no answer within ${connectMs} ms`))
  const socket = connect(address)
  try {
    await until(ctx, once(socket, 'connect'))
    return undefined
  } catch (error) {
    const code = codeOf(error)
    const why = code ?? errorOf(error).message
    const where = `${hostname}:${address.port}`
    return {
      code: code ?? 'ETIMEDOUT',
      sentence: `nothing is exported until ${where} can be reached, check ${variable}: ${why}`,
    }
  } finally {
    socket.destroy()
  }
}

function endpointOf(env: Environment, signal: 'TRACES' | 'METRICS'): Endpoint {
  const variable = endpointVariable(env, signal)
  const protocol = env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`] || env['OTEL_EXPORTER_OTLP_PROTOCOL']
  const grpc = protocol === 'grpc' && signal === 'TRACES'
  const named = env[variable] || `http://localhost:${grpc ? 4317 : 4318}`
  // For gRPC the scheme may be left out. What differs in its path only is one address.
  const url = grpc && !named.includes('://') ? `http://${named}` : named
  return { variable, url: URL.canParse(url) ? new URL(url).origin : url }
}

function unknownIn(list: string | undefined, known: readonly string[]): string | undefined {
  return namesIn(list).find((name) => !known.includes(name))
}

/** Node reports several addresses of one name, none of which answers, as one error that has the code of the first. */
function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
