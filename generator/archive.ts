import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import type { Plan, PlannedFile } from './tree.ts'

/** The file of the published package that holds the templates. */
export const archiveName = 'templates.br'

/** One file of an archive: its path, its bytes' count, and whether it may be executed. */
type Entry = readonly [path: string, length: number, executable: boolean]

/** `files` in one piece: a line of JSON that lists them, then the bytes of all, compressed. */
export function packed(files: Plan): Buffer {
  const entries: Entry[] = [...files].map(([path, { bytes, executable }]) => [path, bytes.length, executable])
  const list = Buffer.from(`${JSON.stringify(entries)}\n`)
  const all = Buffer.concat([list, ...[...files.values()].map(({ bytes }) => bytes)])
  // The window is as large as the format allows: the pieces are alike, and far from one another.
  return brotliCompressSync(all, { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } })
}

/** The files that `packed` was given. @throws what zlib throws for an archive that was cut off */
export function unpacked(archive: Buffer): Map<string, PlannedFile> {
  const all = brotliDecompressSync(archive)
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
