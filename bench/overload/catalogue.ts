import { go } from '../goodput/subjects/go.ts'
import { slowDocuments } from '../goodput/subjects/mainstem.ts'
import { plain } from '../goodput/subjects/plain-process.ts'
import type { Start } from '../goodput/server.ts'
import { fastify } from './subjects/fastify-process.ts'

/** A compared server. */
export interface Subject {
  readonly name: string
  readonly about: string
  /** @param deadlineMs the deadline of a request, for a subject that has deadlines */
  readonly start: (deadlineMs: number) => Start
}

/** The work of each request, the same for every subject. */
export const task = { poolMax: 10, querySeconds: 0.2 } as const

/** How often it can be done in a second. */
export const capacity = task.poolMax / task.querySeconds

/** How long a client waits for its answer, in ms. A later answer does not count. */
export const deadlines = [15_000, 3_000, 1_000] as const

/** Requests a second, as a multiple of the capacity. */
export const factors = [0.5, 1.1, 3, 10] as const

/** `patient` clients wait until their deadline; `retrying` clients retry up to twice, after Retry-After or a growing pause. */
export const clients = ['patient', 'retrying'] as const
export type Client = (typeof clients)[number]

export const subjects: readonly Subject[] = [
  {
    name: 'mainstem',
    about: 'the emitted service, with its log',
    start: (ms) => slowDocuments({ REQUEST_TIMEOUT_MS: String(ms) }),
  },
  { name: 'plain', about: 'Hono + drizzle, as everybody ships it', start: () => plain() },
  { name: 'timeout', about: "the same with Hono's timeout()", start: (ms) => plain(ms) },
  { name: 'fastify', about: 'Fastify with @fastify/under-pressure', start: () => fastify },
  { name: 'go', about: 'net/http + pgxpool behind a semaphore', start: (ms) => go('pgx', ms) },
]
