/** One server that answers `GET /hello` with a small JSON object. */
export interface Subject {
  readonly name: string
  readonly title: string
  /** The goal, as a ratio to bare Hono's requests a second. */
  readonly wanted?: number
  /** Its environment, which determines whether and where it exports. */
  readonly env: (sink: string) => Readonly<Record<string, string>>
  /** Listens on a free port of 127.0.0.1 and resolves with the port. */
  readonly serve: () => Promise<number>
}

const nothing = (): Record<string, string> => ({})
/** The SDK's defaults: every request is sampled, and exported as protobuf in batches. */
const traces = (sink: string): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink}/v1/traces`,
})

/** The subject with which each other one is compared, in turn. */
export const reference: Subject = {
  name: 'hono',
  title: 'bare Hono',
  env: nothing,
  serve: async () => (await import('../http/subjects/hono.ts')).bare(),
}

export const subjects: readonly Subject[] = [
  {
    name: 'mainstem-off',
    title: 'an emitted service, tracing off',
    env: nothing,
    serve: async () => (await import('../http/subjects/mainstem.ts')).withMetrics(),
  },
  {
    name: 'mainstem',
    title: 'an emitted service, every request traced and exported',
    wanted: 0.6,
    env: traces,
    serve: async () => (await import('../http/subjects/mainstem.ts')).withMetrics(),
  },
  {
    name: 'mainstem-unsampled',
    title: 'the same, no request sampled',
    env: (sink) => ({ ...traces(sink), OTEL_TRACES_SAMPLER: 'always_off' }),
    serve: async () => (await import('../http/subjects/mainstem.ts')).withMetrics(),
  },
  {
    name: 'instrumentation-http',
    title: 'Hono + @opentelemetry/instrumentation-http',
    env: traces,
    serve: async () => (await import('./subjects/hono.ts')).instrumented(),
  },
  {
    name: 'hono-otel',
    title: 'Hono + @hono/otel',
    env: traces,
    serve: async () => (await import('./subjects/hono.ts')).middleware(),
  },
]
