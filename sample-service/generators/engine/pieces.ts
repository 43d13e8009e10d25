import { auth } from '../pieces/auth/piece.ts'
import { client } from '../pieces/client/piece.ts'
import { consumer } from '../pieces/consumer/piece.ts'
import { events } from '../pieces/events/piece.ts'
import { idempotency } from '../pieces/idempotency/piece.ts'
import { job } from '../pieces/job/piece.ts'
import type { Flags, Piece } from './piece.ts'
import { publisher } from '../pieces/publisher/piece.ts'
import { rateLimit } from '../pieces/rate-limit/piece.ts'
import { resource } from '../pieces/resource/piece.ts'
import { route } from '../pieces/route/piece.ts'
import { schedule } from '../pieces/schedule/piece.ts'
import { storage } from '../pieces/storage/piece.ts'
import { upload } from '../pieces/upload/piece.ts'

/** What `npm run add` and `npx plop` offer, in the order of their lists. */
export const pieces: readonly Piece[] = [
  route,
  resource,
  upload,
  job,
  schedule,
  events,
  client,
  storage,
  idempotency,
  rateLimit,
  publisher,
  consumer,
  auth,
]

/** The pieces that this one needs with these flags, in the order in which they are added. */
export function neededBy(piece: Piece, flags: Flags): Piece[] {
  return chainOf(piece.variant?.(flags) ?? piece)
}

function chainOf({ needs }: Piece): Piece[] {
  return needs === undefined ? [] : [...chainOf(needs), needs]
}

/** The piece of this name, even one that `npm run add` does not list because other pieces add it; undefined if there is none. */
export function findPiece(name: string, flags: Flags): Piece | undefined {
  const brought = pieces.flatMap((one) => [...neededBy(one, {}), ...neededBy(one, flags)])
  return [...pieces, ...brought].find((one) => one.name === name)
}
