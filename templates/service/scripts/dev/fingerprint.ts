import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './service-process.ts'

/** Differs whenever one of these files of the service has another content, or is made or removed. */
export async function fingerprint(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(`${path}\n`).update(await readFile(join(root, path)).catch(() => ''))
  return hash.digest('hex')
}

/** The files below a folder of the service, sorted. Their paths begin with that of the folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}
