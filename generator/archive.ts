import { gunzipSync, gzipSync } from 'node:zlib'
import type { Plan, PlannedFile } from './tree.ts'

/** The file of the published package that holds the templates. */
export const archiveName = 'templates.gz'

/** One file of an archive: its path, its bytes' count, and whether it may be executed. */
type Entry = readonly [path: string, length: number, executable: boolean]

/** `files` in one piece: a line of JSON that lists them, then the bytes of all, compressed. */
export function packed(files: Plan): Buffer {
  const entries: Entry[] = [...files].map(([path, { bytes, executable }]) => [path, bytes.length, executable])
  const list = Buffer.from(`${JSON.stringify(entries)}\n`)
  return gzipSync(Buffer.concat([list, ...[...files.values()].map(({ bytes }) => bytes)]), { level: 9 })
}

/** The files that `packed` was given. @throws what zlib throws for an archive that was cut off */
export function unpacked(archive: Buffer): Map<string, PlannedFile> {
  const all = gunzipSync(archive)
  const end = all.indexOf('\n')
  const entries = JSON.parse(all.toString('utf8', 0, end)) as Entry[]
  const files = new Map<string, PlannedFile>()
  let from = end + 1
  for (const [path, length, executable] of entries) {
    files.set(path, { bytes: all.subarray(from, from + length), executable })
    from += length
  }
  return files
}
