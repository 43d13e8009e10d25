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
export class Plan {
  /** The service's root, absolute. */
  readonly root: string
  /** The files that `rewrite` changed, with their texts before; `formatRewritten` formats them at the end. */
  readonly rewritten = new Map<string, string>()
  readonly #changes = new Map<string, Change>()
  readonly #textOf: typeof textOf

  /** An empty plan for the service in `root`, whose files `read` reads. */
  constructor(root: string, read = textOf) {
    this.root = root
    this.#textOf = read
  }

  /** The text of the file after the changes so far; undefined if there is no file. */
  async read(path: string): Promise<string | undefined> {
    return (await this.#known(path)).after
  }

  /** Plans a new file. Does nothing if it exists with the same text; throws if it exists with another text. */
  async add(path: string, text: string): Promise<void> {
    const { after } = await this.#known(path)
    if (after === undefined) await this.edit(path, text)
    else if (withLf(after) !== withLf(text)) throw new Error(obstacle(path))
  }

  /** Plans a new text for a file, which may or may not exist; undefined removes the file. */
  async edit(path: string, text: string | undefined): Promise<void> {
    this.#changes.set(path, { ...(await this.#known(path)), after: text })
  }

  /** The files that differ from those on disk, sorted by path. */
  changes(): Change[] {
    return [...this.#changes.values()]
      .filter((change) => change.before !== change.after)
      .sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async #known(path: string): Promise<Change> {
    const change = this.#changes.get(path)
    if (change) return change
    const before = await this.#textOf(this.root, path)
    return { path, before, after: before }
  }
}

/** The message for a file that exists with another text. */
function obstacle(path: string): string {
  const domain = /^src\/(?!platform\/)([^/]+)\//.exec(path)?.[1]
  if (domain !== undefined) return `${domain} exists already (src/${domain}): choose another name.`
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
    throw new Error(`${path} cannot be read (${why}): move that file or folder away.`, { cause })
  }
}
