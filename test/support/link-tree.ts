import { linkSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Whether running a service leaves a file or folder of that name in its folder. */
export function isLeftover(name: string): boolean {
  return name === 'node_modules' || name === 'dist' || name === '.data'
}

/** Makes the folders below `from` in `to`, which must exist, and in them links to the files; without leftovers. */
export function linkTree(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (isLeftover(entry.name)) continue
    const [file, link] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) {
      mkdirSync(link)
      linkTree(file, link)
    } else linkSync(file, link)
  }
}
