import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withLf } from './record.ts'

/** A file before and after: `before` is undefined if there is no file yet, `after` if it is removed. */
export interface Change {
  /** Relative to the root of the service, with slashes. */
  path: string
  before: string | undefined
  after: string | undefined
}

/** The changes that a run will make, in memory: `writeChanges` writes them. */
export interface Plan {
  /** The service's root, absolute. */
  readonly root: string
  /** The files that `rewrite` changed, with their texts before: `formatRewritten` formats them in the end. */
  readonly rewritten: Map<string, string>
  /** The text of the file after the changes so far; undefined if there is no file. */
  read(path: string): Promise<string | undefined>
  /** Plans a new file. Does nothing if it exists with the same text; throws if it exists with another text. */
  add(path: string, text: string): Promise<void>
  /** Plans a new text for a file, which may or may not exist. */
  edit(path: string, text: string): Promise<void>
  /** Plans that the file is gone. Does nothing if there is none. */
  remove(path: string): Promise<void>
  /** The files that differ from those on disk, sorted by path. */
  changes(): Change[]
}

/** An empty plan for the service in `root`. */
export function openPlan(root: string): Plan {
  const changes = new Map<string, Change>()

  async function known(path: string): Promise<Change> {
    const change = changes.get(path)
    if (change) return change
    const before = await textOf(root, path)
    return { path, before, after: before }
  }

  return {
    root,
    rewritten: new Map(),
    async read(path) {
      return (await known(path)).after
    },
    async add(path, text) {
      const change = await known(path)
      if (change.after !== undefined && withLf(change.after) !== withLf(text)) {
        throw new Error(obstacle(path))
      }
      changes.set(path, { ...change, after: change.after ?? text })
    },
    async edit(path, text) {
      changes.set(path, { ...(await known(path)), after: text })
    },
    async remove(path) {
      changes.set(path, { ...(await known(path)), after: undefined })
    },
    changes() {
      return [...changes.values()]
        .filter((change) => change.before !== change.after)
        .sort((a, b) => (a.path < b.path ? -1 : 1))
    },
  }
}

/** The sentence for a file that exists with another text. */
function obstacle(path: string): string {
  const domain = /^src\/(?!platform\/)([^/]+)\//.exec(path)?.[1]
  if (domain !== undefined) return `${domain} is there already (src/${domain}): choose another name.`
  return `${path} exists and differs from what would be written: move it away, or choose another name.`
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
