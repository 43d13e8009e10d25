import type { Piece } from '../../engine/piece.ts'
import { inProbes, inWorkers } from '../../engine/places.ts'

/** Requests that a client may repeat: the work and its answer commit in one transaction, and a repeat gets the same answer. */
export const idempotency: Piece = {
  name: 'idempotency',
  summary: 'POSTs that a client may safely repeat, by their Idempotency-Key',
  explained: `It adds a table, and idempotent() in src/platform/idempotency/idempotent.ts.
Wrap each route that must not run twice, usually a POST or a PATCH:
idempotent(platform, route({ … })).
`,
  takes: 'nothing',
  folder: import.meta.dirname,
  wirings: [
    { ...inWorkers, call: 'idempotencySweeper', from: './platform/idempotency/sweeper.ts' },
    { ...inProbes, call: 'probeIdempotentRoutes', from: './probe.idempotency.ts' },
  ],
  migration: true,
}
