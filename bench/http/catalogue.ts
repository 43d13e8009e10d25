/** One server that answers `GET /hello` with a small JSON object, or `POST /hello` with the JSON object it was sent. */
export interface Subject {
  readonly name: string
  readonly title: string
  /** Its package, if this repository does not depend on it. */
  readonly peer?: string
  /** The JSON that is sent; without one it is a GET. */
  readonly body?: string
  /** The goal on an idle machine with two cores under Node 20, as a ratio to bare Hono's requests a second. */
  readonly wanted?: number
  /** Listens on a free port of 127.0.0.1 and resolves with the port; undefined for the server in Go. */
  readonly serve?: () => Promise<number>
}

/** The packages of the peers, in the versions of the figures in docs/. */
export const peers: Readonly<Record<string, string>> = { fastify: '5.12.8' }

const body = JSON.stringify({ hello: 'world', times: 3 })

/** The subject with which each other one is compared, in turn. */
export const reference: Subject = {
  name: 'hono',
  title: 'bare Hono',
  serve: async () => (await import('./subjects/hono.ts')).bare(),
}

export const subjects: readonly Subject[] = [
  {
    name: 'mainstem',
    title: 'the boundary of an emitted service',
    wanted: 0.85,
    serve: async () => (await import('./subjects/mainstem.ts')).boundary(),
  },
  {
    name: 'mainstem-metrics',
    title: 'the same, metrics collected (the default)',
    serve: async () => (await import('./subjects/mainstem.ts')).withMetrics(),
  },
  {
    name: 'hono-empty',
    title: 'Hono + an empty async middleware',
    serve: async () => (await import('./subjects/hono.ts')).behind(['empty']),
  },
  {
    name: 'mainstem-empty',
    title: 'the boundary behind an empty async middleware',
    serve: async () => (await import('./subjects/mainstem.ts')).behind(['empty']),
  },
  {
    name: 'hono-three',
    title: 'Hono + cors(), secureHeaders() and an empty async middleware',
    serve: async () => (await import('./subjects/hono.ts')).behind(['cors', 'secureHeaders', 'empty']),
  },
  {
    name: 'mainstem-three',
    title: 'the boundary behind the same three',
    serve: async () => (await import('./subjects/mainstem.ts')).behind(['cors', 'secureHeaders', 'empty']),
  },
  {
    name: 'hono-signal',
    title: "Hono, a handler that reads the request's signal",
    serve: async () => (await import('./subjects/hono.ts')).readsSignal(),
  },
  {
    name: 'hono-timeout',
    title: 'Hono + timeout() + an AbortController',
    serve: async () => (await import('./subjects/hono.ts')).timeoutAndController(),
  },
  {
    name: 'hono-any',
    title: 'Hono + AbortSignal.any',
    serve: async () => (await import('./subjects/hono.ts')).anySignal(),
  },
  {
    name: 'hono-async',
    title: 'bare Hono, an async handler',
    serve: async () => (await import('./subjects/hono.ts')).asyncHandler(),
  },
  {
    name: 'mainstem-async',
    title: 'the boundary, an async handler',
    serve: async () => (await import('./subjects/mainstem.ts')).asyncHandler(),
  },
  {
    name: 'hono-body',
    title: 'bare Hono, a JSON body read and checked with zod',
    body,
    serve: async () => (await import('./subjects/hono.ts')).jsonBody(),
  },
  {
    name: 'mainstem-body',
    title: 'the boundary, a JSON body read and checked with zod',
    body,
    serve: async () => (await import('./subjects/mainstem.ts')).jsonBody(),
  },
  {
    name: 'fastify',
    title: 'Fastify',
    peer: 'fastify',
    serve: async () => (await import('./subjects/fastify.ts')).bare(),
  },
  { name: 'go', title: "Go's net/http, GOMAXPROCS=1" },
]
