import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { blobId, withLf } from '../../templates/service/generators/engine/record.ts'
import { errorCode } from '../failure.ts'
import { textOf, type PlannedFile } from '../tree.ts'

/** The entry at a path of the service. The lines of a text end with LF here; `crlf` says that they end with CRLF on the disk. */
export type OnDisk =
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly file: PlannedFile; readonly id: string; readonly crlf: boolean }
  | { readonly kind: 'other'; readonly what: string }

/**
 * Looks at `path` in the service at `root`. It follows neither links nor submodules: their targets may belong to others. A name
 * that differs only in case counts as occupied, because other disks treat both names as one.
 */
export function look(root: string, path: string): OnDisk {
  const parts = path.split('/')
  for (let depth = 1; depth <= parts.length; depth++) {
    const part = parts.slice(0, depth).join('/')
    const stats = statsOf(join(root, part))
    if (stats === undefined) {
      const other = inOtherCase(root, part)
      return other === undefined ? { kind: 'none' } : { kind: 'other', what: `${part} is ${other} here` }
    }
    if (stats.isSymbolicLink()) return { kind: 'other', what: `${part} is a link` }
    if (depth < parts.length && !stats.isDirectory()) return { kind: 'other', what: `${part} is a file` }
    if (stats.isDirectory() && existsSync(join(root, part, '.git')))
      return { kind: 'other', what: `${part} is a git repository of its own` }
    if (depth < parts.length) continue
    if (!stats.isFile()) return { kind: 'other', what: `${part} is not a file` }
    return fileOf(readFileSync(join(root, path)), (stats.mode & 0o100) !== 0)
  }
  return { kind: 'none' }
}

/** The entry whose name differs from that of `path` only in case. */
function inOtherCase(root: string, path: string): string | undefined {
  const name = basename(path).toLowerCase()
  return readdirSync(join(root, dirname(path))).find((one) => one.toLowerCase() === name)
}

/** Whether the entry at the path has exactly this name: some disks treat names that differ only in case as one. */
export function isNamed(root: string, path: string): boolean {
  const folder = join(root, dirname(path))
  // A parent of the path may be a file.
  return statsOf(folder)?.isDirectory() !== true || readdirSync(folder).includes(basename(path))
}

function statsOf(path: string) {
  try {
    return lstatSync(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function fileOf(raw: Buffer, executable: boolean): OnDisk {
  const text = textOf(raw)
  const crlf = text?.includes('\r\n') === true
  const bytes = crlf ? Buffer.from(withLf(text)) : raw
  return { kind: 'file', file: { bytes, executable }, id: blobId(bytes), crlf }
}

/** The content with the line ends of the file on the disk. */
export function asOnDisk(bytes: Buffer, there: OnDisk): Buffer {
  const text = there.kind === 'file' && there.crlf ? textOf(bytes) : undefined
  return text === undefined ? bytes : Buffer.from(withLf(text).replaceAll('\n', '\r\n'))
}
