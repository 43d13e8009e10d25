import type { Piece } from '../../engine/piece.ts'

/** Routes that a client may send twice: the work and its answer commit in one transaction, and a repeat gets the same answer. */
export const idempotency: Piece = {
  name: 'idempotency',
  summary: 'POSTs that a client may safely repeat, by their Idempotency-Key',
  explained: `It adds a table, and idempotent() in src/platform/idempotency/idempotent.ts.
Wrap each route that must not be done twice, usually a POST or a PATCH:
idempotent(platform, route({ … })).
`,
  takes: 'nothing',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'src/workers.ts',
      within: 'workers',
      as: 'item',
      call: 'idempotencySweeper',
      from: './platform/idempotency/sweeper.ts',
      takes: ['Platform'],
    },
    {
      file: 'test/support/probe.routes.ts',
      within: 'routes',
      as: 'element',
      call: 'probeIdempotentRoutes',
      from: './probe.idempotency.ts',
      takes: ['Platform'],
    },
  ],
  migration: true,
}
