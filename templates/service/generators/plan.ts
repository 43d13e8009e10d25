import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One file as it is and as it shall be. `before` is undefined where there is none yet. */
export interface Change {
  /** From the service's root, with slashes. */
  path: string
  before: string | undefined
  after: string
}

/** What a run of `npm run add` is going to do. Nothing of it is on disk until `writeChanges`. */
export interface Plan {
  /** The service's root, absolute. */
  readonly root: string
  /** The file as the plan leaves it; undefined where there is none. */
  read(path: string): Promise<string | undefined>
  /** Plans a new file. One with the same text is left alone; throws where another text is in the way. */
  add(path: string, text: string): Promise<void>
  /** Plans a new text for a file, whether it exists or not. */
  edit(path: string, text: string): Promise<void>
  /** What would change on disk, by path. Empty when everything is there already. */
  changes(): Change[]
}

/** An empty plan for the service that lies in `root`. */
export function openPlan(root: string): Plan {
  const changes = new Map<string, Change>()

  async function known(path: string): Promise<Change> {
    const change = changes.get(path)
    if (change) return change
    const before = await textOf(root, path)
    return { path, before, after: before ?? '' }
  }

  return {
    root,
    async read(path) {
      return changes.get(path)?.after ?? (await textOf(root, path))
    },
    async add(path, text) {
      const change = await known(path)
      const there = changes.has(path) ? change.after : change.before
      if (there !== undefined && there !== text) {
        throw new Error(
          `${path} is in the way: it exists and differs from what would be written. Move it away, or choose another name.`,
        )
      }
      changes.set(path, { ...change, after: text })
    },
    async edit(path, text) {
      changes.set(path, { ...(await known(path)), after: text })
    },
    changes() {
      return [...changes.values()]
        .filter((change) => change.before !== change.after)
        .sort((a, b) => (a.path < b.path ? -1 : 1))
    },
  }
}

async function textOf(root: string, path: string): Promise<string | undefined> {
  try {
    return await readFile(join(root, path), 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT') return undefined
    const why =
      code === 'ENOTDIR'
        ? 'a part of its path is a file'
        : code === 'EISDIR'
          ? 'it is a folder'
          : String(code)
    throw new Error(`${path} cannot be read (${why}): move what is in its place away.`, { cause })
  }
}
