import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import type { Plan, PlannedFile } from './tree.ts'

/** The file of the published package that holds the templates. */
export const archiveName = 'templates.br'

/** One file of an archive: its path, its size in bytes, and whether it may be executed. */
type Entry = readonly [path: string, length: number, executable: boolean]

/** Packs `files`: one line of JSON that lists them, then their bytes, all compressed. */
export function packed(files: Plan): Buffer {
  const entries: Entry[] = [...files].map(([path, { bytes, executable }]) => [path, bytes.length, executable])
  const list = Buffer.from(`${JSON.stringify(entries)}\n`)
  const all = Buffer.concat([list, ...[...files.values()].map(({ bytes }) => bytes)])
  // The largest window: similar files are far apart in the archive.
  return brotliCompressSync(all, { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } })
}

/** Unpacks what `packed` returned. @throws zlib's error for a truncated archive */
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
