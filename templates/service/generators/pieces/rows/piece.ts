import type { Piece } from '../../engine/piece.ts'

/** Conditions and errors of rows, which all resources share. `npm run add` adds it with the first resource. */
export const rows: Piece = {
  name: 'rows',
  summary: 'code that resources share',
  takes: 'name',
  folder: import.meta.dirname,
}
