import type { Flags, Piece } from './piece.ts'

/** The pieces that must be there before this one, with these flags, in the order in which they are added. */
export function neededBy(piece: Piece, flags: Flags): Piece[] {
  return chainOf(piece.variant?.(flags) ?? piece)
}

function chainOf({ needs }: Piece): Piece[] {
  return needs === undefined ? [] : [...chainOf(needs), needs]
}
