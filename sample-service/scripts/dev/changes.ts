import { watch, type FSWatcher } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Saving all files, or switching branches, is one change. */
const settleMs = 100

/** Tells of changes below `folders`. Watches each folder by itself: on Linux a recursive watch loses replaced files. */
export interface Changes {
  /** Resolves when something has changed, and nothing more within a moment. */
  readonly changed: Promise<void>
  close(): void
}

/** Watches from now on for the first change below `folders`, tests and hidden files aside. */
export async function watchChanges(folders: readonly string[]): Promise<Changes> {
  const watchers: FSWatcher[] = []
  let settled: NodeJS.Timeout | undefined
  let resolve: () => void
  const changed = new Promise<void>((done) => (resolve = done))
  const onChange = (_event: string, name: string | null): void => {
    if (name !== null && /^\.|~$|\.test\.ts$/.test(name)) return
    clearTimeout(settled)
    settled = setTimeout(resolve, settleMs)
  }
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const below = entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
    for (const directory of [folder, ...below]) {
      // A folder that is removed meanwhile is a change, too, and its parent has told.
      watchers.push(watch(directory, onChange).on('error', () => undefined))
    }
  }
  return {
    changed,
    close() {
      clearTimeout(settled)
      for (const watcher of watchers) watcher.close()
    },
  }
}
