import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { recordFrom, recordPath, renderRecord, titleOf, type ServiceRecord } from './record.ts'
import { writeChanges } from './write.ts'

/**
 * Writes the record again from its three versions in git's index, while branches are merged. Returns what the user must do next.
 */
export function mergeRecord(root: string): string {
  const [base, ours, theirs] = [1, 2, 3].map((side) => committed(root, side))
  if (ours === undefined || theirs === undefined)
    throw new Error(
      `Git has no conflict in ${recordPath}. If one was marked as resolved, git checkout --merge ${recordPath} brings it back.`,
    )
  const path = join(root, recordPath)
  const before = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  const after = renderRecord(merged(base, ours, theirs))
  if (after !== before) writeChanges(root, [{ path: recordPath, before, after }])
  return `${recordPath} has the pieces of both sides. Next: git add ${recordPath}\n`
}

/** The record on one side of the conflict: 1 is the common ancestor. Undefined if that side has none. */
function committed(root: string, side: number): ServiceRecord | undefined {
  const { status, stdout } = spawnSync('git', ['show', `:${side}:./${recordPath}`], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  })
  return status === 0 ? recordFrom(stdout) : undefined
}

/** A change of one side is kept. If both sides changed an entry, the side of the newer version wins. */
function merged(base: ServiceRecord | undefined, ours: ServiceRecord, theirs: ServiceRecord): ServiceRecord {
  const isNewer = theirs.version.localeCompare(ours.version, 'en', { numeric: true }) > 0
  const [newer, older] = isNewer ? [theirs, ours] : [ours, theirs]
  return {
    version: newer.version,
    answers: byKey(base?.answers, newer.answers, older.answers),
    files: byKey(base?.files, newer.files, older.files),
    pieces: Object.values(byKey(base && piecesOf(base), piecesOf(newer), piecesOf(older))),
  }
}

type Entries<T> = Readonly<Record<string, T>>

function byKey<T>(base: Entries<T> = {}, newer: Entries<T>, older: Entries<T>): Record<string, T> {
  const keys = Object.keys({ ...newer, ...older })
  return Object.fromEntries(
    keys.flatMap((key) => {
      const kept = isDeepStrictEqual(newer[key], base[key]) ? older[key] : newer[key]
      return kept === undefined ? [] : [[key, kept]]
    }),
  )
}

function piecesOf({ pieces }: ServiceRecord): Entries<ServiceRecord['pieces'][number]> {
  return Object.fromEntries(pieces.map((piece) => [titleOf(piece), piece]))
}
