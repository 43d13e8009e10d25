import type { Flags, Piece } from './piece.ts'
import { pieces } from './pieces.ts'

/** The pieces that must be there before this one, with these flags, in the order in which they are added. */
export function neededBy(piece: Piece, flags: Flags): Piece[] {
  return chainOf(piece.variant?.(flags) ?? piece)
}

function chainOf({ needs }: Piece): Piece[] {
  return needs === undefined ? [] : [...chainOf(needs), needs]
}

/** The piece of this name, also one that `npm run add` does not list because others bring it; undefined if there is none. */
export function findPiece(name: string, flags: Flags): Piece | undefined {
  const brought = pieces.flatMap((one) => [...neededBy(one, {}), ...neededBy(one, flags)])
  return [...pieces, ...brought].find((one) => one.name === name)
}
