import { mainstem, slowDocuments } from './subjects/mainstem.ts'
import { go } from './subjects/go.ts'
import { plain } from './subjects/plain-process.ts'
import type { Start } from './server.ts'

/** A compared server. */
export interface Subject {
  readonly name: string
  readonly about: string
  readonly start: Start
  /** For the loads that ask for documents; undefined if it takes no part in them. */
  readonly startDocuments?: Start
}

/** The work of each request, the same for every subject. */
export const task = { poolMax: 10, querySeconds: 0.5 } as const

/** How often it could be done in a second without wasted work. */
export const capacity = task.poolMax / task.querySeconds

/** Clients that wait, and clients that leave and retry. */
export interface Load {
  readonly name: string
  readonly patient: number
  readonly impatient: number
  /** How long an impatient client waits for its answer. */
  readonly patienceMs: number
  /** How long it pauses then. */
  readonly pauseMs: number
  /** Whether it asks for the sample's own `GET /documents`, each client on a new connection, while the service logs. */
  readonly documents: boolean
}

const clients = { patient: 10, impatient: 90, patienceMs: 50, documents: false } as const

export const loads: readonly Load[] = [
  { name: 'heavy', ...clients, pauseMs: 0 },
  // About 13 statements a second whose results nobody reads.
  { name: 'moderate', ...clients, pauseMs: 6_800 },
  { ...clients, name: 'documents', pauseMs: 0, documents: true },
  { ...clients, name: 'documents-300', impatient: 290, pauseMs: 0, documents: true },
]

/** The others are compared with the first. */
export const subjects: readonly Subject[] = [
  { name: 'plain', about: 'Hono + drizzle, as everybody ships it', start: plain() },
  { name: 'timeout', about: "the same with Hono's timeout(2000)", start: plain(2_000) },
  { name: 'mainstem', about: 'the emitted service', start: mainstem, startDocuments: slowDocuments() },
  { name: 'go-pq', about: 'net/http + database/sql with lib/pq', start: go('pq') },
  // The subject has no documents and no log: its own query, of the same length, shows how much of the capacity these clients
  // leave.
  { name: 'go-pgx', about: 'net/http + pgxpool', start: go('pgx'), startDocuments: go('pgx') },
]
