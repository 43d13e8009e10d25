import { lstatSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import { errorCode } from './failure.ts'

/** One file of a service before it is written. */
export interface PlannedFile {
  readonly bytes: Buffer
  readonly executable: boolean
}

/** Makes a file that is not executable. */
export function textFile(text: string): PlannedFile {
  return { bytes: Buffer.from(text), executable: false }
}

/** Decodes `bytes` as UTF-8; undefined if they are not valid. */
export function textOf(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Every file of a service by its path (with `/`), in the order of code units. */
export type Plan = ReadonlyMap<string, PlannedFile>

/**
 * Files that a run of a service, or the machine, leaves in its folder. They are never stamped, and stay when the sample is
 * replaced.
 */
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

/** Whether a run of a service, or the machine, leaves a file or folder of that name. */
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
        throw new Error(
          `${join(directory, path)} is neither a file nor a folder: a template must not contain anything else`,
        )
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

/**
 * Writes the files of `plan` below `directory`, which must not hold any of them. It writes synchronously: for 500 small files the
 * threads of node:fs/promises take longer than the disk. It checks ctx before each folder.
 */
export async function writePlan(ctx: Context, plan: Plan, directory: string): Promise<void> {
  const made = new Set<string>()
  for (const [path, { bytes, executable }] of plan) {
    const folder = join(directory, dirname(path))
    if (!made.has(folder)) {
      throwIfEnded(ctx)
      await mkdir(folder, { recursive: true })
      made.add(folder)
    }
    writeFileSync(join(directory, path), bytes, { mode: executable ? 0o755 : 0o644, flag: 'wx' })
  }
}

/** `files` in the order of code units. */
export function sorted(files: Plan): Plan {
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** The stats of `path`; a link is not followed. */
export function kindOf(path: string): 'none' | 'file' | 'folder' | 'link' {
  try {
    const stats = lstatSync(path)
    return stats.isSymbolicLink() ? 'link' : stats.isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'none'
    throw error
  }
}
