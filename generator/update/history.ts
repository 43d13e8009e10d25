import { blobId } from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { throwIfEnded } from '../ended.ts'
import { ask, demand, type Repository } from './git.ts'

/**
 * The content with the recorded id, if git has it; `path` is its path in a commit. It uses no network, even in a partial clone.
 */
export function blobOf(
  ctx: Context,
  root: string,
  { head }: Repository,
  path: string,
  id: string,
): Buffer | undefined {
  throwIfEnded(ctx)
  if (head?.length !== sha256Length) return contentOf(root, id)
  const contents = [...committedIds(root, [path])].map((one) => contentOf(root, one))
  return contents.find((content) => content !== undefined && blobId(content) === id)
}

/**
 * Stores texts in git, outside of any commit: the next `--restamp` needs what was stamped and then merged, and no file has it.
 * Git's garbage collection removes them after two weeks by default. Does nothing if git cannot write.
 */
export function storeTexts(ctx: Context, root: string, { head }: Repository, texts: Iterable<Buffer>): void {
  throwIfEnded(ctx)
  // The record has SHA-1, by which this repository would not find them: each update would only leave objects behind.
  if (head?.length === sha256Length) return
  for (const text of texts) ask(root, ['hash-object', '-w', '--stdin'], text)
}

/** The length of ids in a repository with SHA-256. The record always has SHA-1. */
const sha256Length = 64

function contentOf(root: string, id: string): Buffer | undefined {
  const { status, stdout } = ask(root, ['cat-file', 'blob', id])
  return status === 0 ? stdout : undefined
}

/** The record's id for the blob with this id in git. */
function recordedId(root: string, id: string): string {
  const content = id.length === sha256Length ? contentOf(root, id) : undefined
  return content === undefined ? id : blobId(content)
}

/** The record's ids of the files that the service had in a commit, by path. */
export function filesOfCommit(ctx: Context, root: string, commit: string): ReadonlyMap<string, string> {
  throwIfEnded(ctx)
  const listed = demand(root, ['ls-tree', '-r', '-z', commit, '.']).toString('utf8')
  return new Map(
    listed.split('\0').flatMap((line) => {
      const [, id = '', path = ''] = /^100\d+ blob ([0-9a-f]+)\t([\s\S]+)$/.exec(line) ?? []
      return path === '' ? [] : [[path, recordedId(root, id)] as const]
    }),
  )
}

/** The record's ids of all contents that these paths had in any commit. */
export function idsCommitted(ctx: Context, root: string, paths: readonly string[]): ReadonlySet<string> {
  throwIfEnded(ctx)
  return new Set([...committedIds(root, paths)].map((id) => recordedId(root, id)))
}

function committedIds(root: string, paths: readonly string[]): ReadonlySet<string> {
  if (paths.length === 0) return new Set()
  const settings = ['--literal-pathspecs', '-c', 'log.showRoot=true']
  const flags = ['--no-follow', '--format=', '--raw', '--no-abbrev', '--no-renames']
  const log = demand(root, [...settings, 'log', ...flags, '--', ...paths]).toString('utf8')
  return new Set(Array.from(log.matchAll(/^:\d+ \d+ [0-9a-f]+ ([0-9a-f]+) /gm), ([, id = '']) => id))
}

/** The commits whose message says that create-mainstem created a service here, the newest first, with the version. */
export function creations(ctx: Context, root: string): { commit: string; version: string }[] {
  throwIfEnded(ctx)
  const log = demand(root, [
    'log',
    '--format=%H %s',
    '--no-follow',
    '--basic-regexp',
    '--grep=^Create .* with create-mainstem ',
    '--',
    '.',
  ])
  return log
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      const [, commit = '', version = ''] =
        /^([0-9a-f]+) Create \S+ with create-mainstem (\S+)$/.exec(line) ?? []
      return commit === '' ? [] : [{ commit, version }]
    })
}
