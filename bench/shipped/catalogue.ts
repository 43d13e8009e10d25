import type { Sent } from '../http/load.ts'

/** One measured server. */
export interface Subject {
  readonly name: string
  readonly title: string
  /** Its source under subjects/, or `service` for the emitted service's own main.ts. */
  readonly program: string
  /** Whether its packages are those of subjects/stock.ts, and it starts with OpenTelemetry's instrumentations. */
  readonly stock?: boolean
  readonly env: (sink: string) => Readonly<Record<string, string>>
  /** The goals, by the path: bare Hono's processor time for a request, divided by the subject's. */
  readonly wanted?: Readonly<Record<string, number>>
}

/** The requests. */
export const loads: readonly (Sent & {
  readonly name: string
  readonly path: string
  readonly title: string
})[] = [
  { name: 'small', path: '/hello', title: 'A small JSON answer' },
  { name: 'async', path: '/hello-async', title: 'The same from an async handler' },
  {
    name: 'body',
    path: '/echo',
    title: 'A JSON body of 70 bytes, which the service checks against a schema',
    body: '{"name":"Ada Lovelace","count":42,"tags":["engine","notes","bernoulli"]}',
  },
  { name: 'select', path: '/items', title: 'One indexed SELECT of six rows through drizzle' },
  { name: 'built', path: '/items-built', title: 'The same, built by the service for each request' },
]

const nothing = (): Record<string, string> => ({})
/** The SDK's defaults: every request is sampled, and exported as protobuf in batches. */
const traced = (sink: string): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink}/v1/traces`,
})
const quiet = { LOG_LEVEL: 'silent' }

export const reference: Subject = { name: 'bare', title: 'bare Hono', program: 'bare', env: nothing }

export const subjects: readonly Subject[] = [
  {
    name: 'all',
    title: 'the emitted service, all on',
    program: 'service',
    env: traced,
    wanted: { '/items': 0.75 },
  },
  {
    name: 'log-off',
    title: 'the same, log off',
    program: 'service',
    env: (sink) => ({ ...traced(sink), ...quiet }),
    wanted: { '/hello': 0.6 },
  },
  { name: 'traces-off', title: 'the same, traces off', program: 'service', env: nothing },
  {
    name: 'both-off',
    title: 'the same, log and traces off',
    program: 'service',
    env: () => quiet,
    wanted: { '/items': 0.9 },
  },
  {
    name: 'all-off',
    title: 'the same, log, traces and metrics off',
    program: 'service',
    env: () => ({ ...quiet, OTEL_SDK_DISABLED: 'true' }),
    wanted: { '/hello': 0.85, '/hello-async': 0.8 },
  },
  {
    name: 'hono',
    title: "Hono + hono-pino + @hono/prometheus + OpenTelemetry's instrumentations",
    program: 'hono',
    stock: true,
    env: traced,
  },
  {
    name: 'fastify',
    title: 'Fastify + its pino + fastify-metrics + the same',
    program: 'fastify',
    stock: true,
    env: traced,
  },
  {
    name: 'nest',
    title: 'Nest + nestjs-pino + prom-client + the same',
    program: 'nest',
    stock: true,
    env: traced,
  },
]
