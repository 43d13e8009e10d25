import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './service-process.ts'

/** Differs whenever one of these files of the service has another content, or is made or removed. */
export async function fingerprint(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(`${path}\n`).update(await readFile(join(root, path)).catch(() => ''))
  return hash.digest('hex')
}
