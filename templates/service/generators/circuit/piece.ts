import type { Piece } from '../piece.ts'

/** What keeps clients from peers that fail. Comes with the first of them. */
export const circuit: Piece = {
  name: 'circuit',
  summary: 'what keeps clients from peers that fail',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [],
  migration: false,
  dependencies: { cockatiel: '^3.2.1' },
}
