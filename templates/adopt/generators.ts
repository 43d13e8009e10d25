import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/* Access to a service's own generators, which may be of any version, so a module is found by its name. */

export interface Noun {
  singular: string
  plural: string
}

export interface Piece {
  name: string
  folder: string
  needs?: Piece
  takes: unknown
  flags?: readonly { name: string; otherwise?: unknown }[]
  wirings?: readonly { file: string; call: string; from: string; as: string }[]
  members?: (noun: Noun, flags: Readonly<Record<string, string>>) => readonly { file: string; name: string }[]
  variant?: (flags: Readonly<Record<string, string>>) => Piece | undefined
}

/** The copy of the service. */
export const root = process.cwd()

/** The exports of the module with this file name; empty if the generators have none. */
export async function load(name: string): Promise<Record<string, unknown>> {
  const path = filesBelow(root, ['generators']).find((one) => basename(one) === name)
  return path === undefined
    ? {}
    : ((await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>)
}

export async function allPieces(): Promise<Piece[]> {
  const found: Piece[] = []
  for (const path of filesBelow(root, ['generators']).filter((one) => /\/[\w-]+\/piece\.ts$/.test(one))) {
    const module = (await import(pathToFileURL(join(root, path)).href)) as Record<string, Piece>
    found.push(...Object.values(module).filter((one) => typeof one === 'object' && 'folder' in one))
  }
  return found
}

/** The files below some folders of `folder`, sorted. */
export function filesBelow(folder: string, parts: readonly string[]): string[] {
  return parts
    .filter((part) => existsSync(join(folder, part)))
    .flatMap((part) => readdirSync(join(folder, part), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}
