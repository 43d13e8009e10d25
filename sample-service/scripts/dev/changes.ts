import { watch, type FSWatcher } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { lockFiles } from './packages.ts'
import { root } from './service-process.ts'

/** How long files must stay unchanged, so that saving several files or switching branches counts as one change. */
const settleMs = 100
/** The same during an install: a package manager writes for seconds, with pauses. */
const installSettleMs = 500

/** The files outside of src/ and drizzle/ that the service depends on. */
const rootFiles = new Set(['package.json', '.env', ...lockFiles])
/** The watcher of the root reports these folders when they are created, renamed or removed. */
const sourceFolders = ['src', 'drizzle']
/** The errors of a machine that cannot watch more files. */
const exhausted = new Set(['EMFILE', 'ENFILE', 'ENOSPC'])
/** The files that each package manager writes at the end of an install, even if no package is new. */
const installMarkers = new Set(['.package-lock.json', '.modules.yaml', '.yarn-state.yml', '.yarn-integrity'])

const isSource = (name: string): boolean => !/^\.|~$|\.test\.ts$/.test(name)
const isInstall = (name: string): boolean => installMarkers.has(name) || !name.startsWith('.')

/**
 * Watches the service's files until `signal` aborts: src/ and drizzle/ without tests and hidden files, package.json, a lock file
 * and `.env`, and the installed packages. A folder that is missing or cannot be read is watched through its parent.
 * @param lockFolder where the lock file and node_modules are: here, or at the root of the workspace
 * @param onChange gets all changed paths, as soon as nothing has changed for a moment
 */
export async function watchChanges(
  lockFolder: string,
  signal: AbortSignal,
  onChange: (paths: readonly string[]) => void,
): Promise<void> {
  const watchers: FSWatcher[] = []
  const paths = new Set<string>()
  let settled: NodeJS.Timeout | undefined

  function watchFolder(folder: string, matters: (name: string) => boolean, quietMs = settleMs): void {
    const changed = (_event: string, name: string | null): void => {
      if (name !== null && !matters(name)) return
      paths.add(relative(root, join(folder, name ?? '')))
      clearTimeout(settled)
      settled = setTimeout(() => onChange([...paths]), quietMs)
    }
    try {
      // If the folder is removed meanwhile, its parent reports that.
      watchers.push(watch(folder, changed).on('error', () => undefined))
    } catch (error) {
      if (exhausted.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }

  // Each folder has its own watcher: on Linux a recursive watch loses replaced files.
  async function watchTree(folder: string): Promise<void> {
    watchFolder(folder, isSource)
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
    const folders = entries.filter((entry) => entry.isDirectory())
    await Promise.all(folders.map(({ name }) => watchTree(join(folder, name))))
  }

  for (const name of sourceFolders) await watchTree(join(root, name))
  for (const folder of new Set([root, lockFolder])) {
    // The first install may create node_modules itself.
    const matters = (name: string): boolean =>
      rootFiles.has(name) || name === 'node_modules' || (folder === root && sourceFolders.includes(name))
    watchFolder(folder, matters)
    watchFolder(join(folder, 'node_modules'), isInstall, installSettleMs)
  }
  signal.addEventListener('abort', () => {
    clearTimeout(settled)
    for (const watcher of watchers) watcher.close()
  })
}
