/** One server that answers `GET /hello` with a small JSON object. */
export interface Subject {
  readonly name: string
  readonly title: string
  /** What is asked of its requests a second, against bare Hono's. */
  readonly wanted?: number
  /** Its environment: it is told there where to export to, and whether. */
  readonly env: (sink: string) => Readonly<Record<string, string>>
  /** Listens on a free port of 127.0.0.1, which it resolves with. */
  readonly serve: () => Promise<number>
}

const nothing = (): Record<string, string> => ({})
/** Every request is sampled, which is the default, and leaves as the SDK sends it by default: protobuf, in batches. */
const traces = (sink: string): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink}/v1/traces`,
})

/** What each subject is compared with, in turn. */
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
