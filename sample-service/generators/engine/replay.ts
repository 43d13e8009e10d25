import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Piece } from './piece.ts'
import { findPiece, neededBy } from './pieces.ts'
import { Plan } from './plan.ts'
import { recordFrom, recordPath, titleOf, type StampedPiece, type Stamping } from './record.ts'
import { stamp, stampMissing } from './stamp.ts'

/*
 * `update` runs this program in a copy of the service. It stamps every piece of the record again with these generators, and
 * prints the result as JSON. It writes no file, and it does not wire or migrate.
 */

const root = join(import.meta.dirname, '../..')

/** The printed result: the pieces with their texts and dependencies, and those that these generators cannot stamp. */
export interface Replay {
  readonly stampings: readonly ReplayedPiece[]
  readonly skipped: readonly { readonly title: string; readonly why: string }[]
}

interface ReplayedPiece extends Omit<Stamping, 'files'> {
  readonly files: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
}

async function replay(stamped: readonly StampedPiece[]): Promise<Replay> {
  const stampings = new Map<string, ReplayedPiece>()
  const skipped: { title: string; why: string }[] = []
  for (const entry of stamped) {
    try {
      for (const [piece, one] of await stampAgain(entry))
        stampings.set(titleOf({ piece: one.piece, noun: one.noun?.singular }), {
          ...one,
          files: Object.fromEntries(one.files),
          dependencies: piece.dependencies ?? {},
        })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      // The first line has the reason; prettier adds the place in the lines after it.
      skipped.push({ title: titleOf(entry), why: why.replace(/\n[\s\S]*$/, '') })
    }
  }
  return { stampings: [...stampings.values()], skipped }
}

/** The stamping of the entry, and of the piece that it needs. */
async function stampAgain({
  piece: name,
  noun,
  plural = '',
  flags,
}: StampedPiece): Promise<[Piece, Stamping][]> {
  const piece = findPiece(name, flags)
  if (piece === undefined) throw new Error(`generators/ has no piece "${name}" any more.`)
  for (const { name: flag, otherwise } of piece.flags ?? []) {
    if (flags[flag] === undefined && otherwise === undefined)
      throw new Error(`the record lacks its --${flag}: write it into the "flags" of the piece.`)
  }
  const missing = async (one: Piece): Promise<[Piece, Stamping]> => [
    one,
    await stampMissing(emptyPlan(), one),
  ]
  if (noun === undefined) return [await missing(piece)]
  const stamping = await stamp(emptyPlan(), piece, { singular: noun, plural }, flags)
  return [[piece, stamping], ...(await Promise.all(neededBy(piece, flags).map(missing)))]
}

/** A plan for a service without files, so that no file is in the way. */
function emptyPlan(): Plan {
  return new Plan(root, () => Promise.resolve(undefined))
}

const record = recordFrom(await readFile(join(root, recordPath), 'utf8'))
process.stdout.write(JSON.stringify(await replay(record.pieces)))
