import { lstatSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import { errorCode } from './failure.ts'

/** One file of a service before it is written. */
export interface PlannedFile {
  readonly bytes: Buffer
  readonly executable: boolean
}

/** A file with this text, which nobody executes. */
export function textFile(text: string): PlannedFile {
  return { bytes: Buffer.from(text), executable: false }
}

/** Every file of a service by its path (with `/`), in the order of code units. */
export type Plan = ReadonlyMap<string, PlannedFile>

/** What running a service, or the machine it runs on, leaves in its folder. Never stamped, and kept when the sample is replaced. */
const leftovers = new Set([
  'node_modules',
  'dist',
  'coverage',
  '.data',
  '.env',
  '.git',
  '.DS_Store',
  'package-lock.json',
])
const leftoverSuffixes = ['.tsbuildinfo', '.tgz', '.log']

/** Whether a file or folder of that name is made by running a service, not part of it. */
export function isLeftover(name: string): boolean {
  return leftovers.has(name) || leftoverSuffixes.some((suffix) => name.endsWith(suffix))
}

/**
 * The paths of all files below `directory` that belong to a service, with `/`, sorted by code units.
 * @throws Error for an entry that is neither a file nor a folder: npm could not pack a template with a link
 */
export async function listFiles(ctx: Context, directory: string): Promise<string[]> {
  const found: string[] = []
  const folders = ['']
  for (const folder of folders) {
    throwIfEnded(ctx)
    for (const entry of await readdir(join(directory, folder), { withFileTypes: true })) {
      if (isLeftover(entry.name)) continue
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile()) found.push(path)
      else
        throw new Error(`${join(directory, path)} is neither file nor folder: a template holds nothing else`)
    }
  }
  return found.sort()
}

/** Reads one file of a template: its bytes, and whether it may be executed. */
export async function readPlanned(ctx: Context, path: string): Promise<PlannedFile> {
  throwIfEnded(ctx)
  const [bytes, { mode }] = await Promise.all([readFile(path), stat(path)])
  return { bytes, executable: (mode & 0o100) !== 0 }
}

/** Writes the files of `plan` below `directory`, which must not hold any of them: those of a folder at once. */
export async function writePlan(ctx: Context, plan: Plan, directory: string): Promise<void> {
  const folders = new Map<string, [name: string, file: PlannedFile][]>()
  for (const [path, file] of plan) {
    const folder = dirname(path)
    const files = folders.get(folder) ?? []
    folders.set(folder, files)
    files.push([basename(path), file])
  }
  for (const [folder, files] of folders) {
    throwIfEnded(ctx)
    const place = join(directory, folder)
    await mkdir(place, { recursive: true })
    const written = files.map(([name, { bytes, executable }]) =>
      writeFile(join(place, name), bytes, { mode: executable ? 0o755 : 0o644, flag: 'wx' }),
    )
    // All of them, since the caller may remove the folder.
    const failed = (await Promise.allSettled(written)).find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
}

/** `files` in the order of code units. */
export function sorted(files: Plan): Plan {
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** What lies at `path`; a link is not followed. */
export function kindOf(path: string): 'none' | 'file' | 'folder' | 'link' {
  try {
    const stats = lstatSync(path)
    return stats.isSymbolicLink() ? 'link' : stats.isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'none'
    throw error
  }
}
