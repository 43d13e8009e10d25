import type { Piece } from '../../engine/piece.ts'

/** The circuit breaker of clients. It comes with the first client. */
export const circuit: Piece = {
  name: 'circuit',
  summary: 'the circuit breaker of clients',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [],
  migration: false,
  dependencies: { cockatiel: '^3.2.1' },
}
