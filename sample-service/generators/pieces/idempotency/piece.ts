import type { Piece } from '../../engine/piece.ts'
import { inProbes, inWorkers } from '../../engine/places.ts'

/** Routes that a client may send twice: the work and its answer commit in one transaction, and a repeat gets the same answer. */
export const idempotency: Piece = {
  name: 'idempotency',
  summary: 'requests that a client may repeat, by their Idempotency-Key',
  explained: `It adds idempotent(platform, route({ … })) for src/platform/idempotency/idempotent.ts, and a table with its migration.
Wrap each POST or PATCH that must not be done twice.
`,
  takes: 'nothing',
  folder: import.meta.dirname,
  wirings: [
    { ...inWorkers, call: 'idempotencySweeper', from: './platform/idempotency/sweeper.ts' },
    { ...inProbes, call: 'probeIdempotentRoutes', from: './probe.idempotency.ts' },
  ],
  migration: true,
}
