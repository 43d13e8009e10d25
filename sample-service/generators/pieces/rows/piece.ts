import type { Piece } from '../../engine/piece.ts'

/** Conditions and errors of rows that several resources need. It comes with the first resource. */
export const rows: Piece = {
  name: 'rows',
  summary: 'what resources share',
  takes: 'name',
  folder: import.meta.dirname,
}
