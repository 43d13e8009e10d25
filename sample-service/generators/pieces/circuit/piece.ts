import type { Piece } from '../../engine/piece.ts'

/** The code that calls other services under a context, with retries and a circuit breaker. It comes with the first client. */
export const circuit: Piece = {
  name: 'circuit',
  summary: 'what calls other services',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'test/support/probe.routes.ts',
      within: 'routes',
      as: 'element',
      call: 'probeClientRoutes',
      from: './probe.client.ts',
      takes: ['Platform'],
    },
  ],
  migration: false,
  dependencies: { cockatiel: '^3.2.1' },
}
