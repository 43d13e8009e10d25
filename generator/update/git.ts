import { spawnSync } from 'node:child_process'
import { gitEnvironment } from '../git.ts'
import { findOnPath } from '../package-manager.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { throwIfEnded } from '../ended.ts'

/** The repository that holds a service. Its functions read only, except `stage` and `unstage`. */
export interface Repository {
  /** The path of the service inside the repository, with a slash at its end; empty for the top. */
  readonly prefix: string
  /** The id of the commit that is checked out; undefined before the first. */
  readonly head: string | undefined
}

/** What `git status` says of the service. */
export interface Status {
  readonly unmerged: readonly string[]
  readonly changed: readonly string[]
  readonly untracked: readonly string[]
}

/** The ids of the three sides of a conflict, each undefined where that side has no file. */
export interface Sides {
  readonly base: Buffer | undefined
  readonly ours: Buffer | undefined
  readonly theirs: Buffer | undefined
}

/** The repository around the service at `root`; undefined without git, without a repository, or if it ignores the service. */
export function repositoryAt(ctx: Context, root: string): Repository | undefined {
  throwIfEnded(ctx)
  if (findOnPath('git', process.env) === undefined) return undefined
  const prefix = run(root, ['rev-parse', '--show-prefix'])
  if (prefix === undefined) return undefined
  if (run(root, ['check-ignore', '--quiet', '.']) !== undefined) return undefined
  return {
    prefix: textOf(prefix),
    head: textOf(run(root, ['rev-parse', '--verify', '--quiet', 'HEAD'])) || undefined,
  }
}

/** The state of the service's own folder: what lies beside it in the repository does not matter. */
export function statusOf(ctx: Context, root: string, { prefix }: Repository): Status {
  throwIfEnded(ctx)
  const output = run(root, [
    'status',
    '--porcelain=v1',
    '-z',
    '--no-renames',
    '--untracked-files=all',
    '--',
    '.',
  ])
  const entries = (output?.toString('utf8') ?? '').split('\0').filter((entry) => entry !== '')
  const paths = (wanted: (code: string) => boolean): string[] =>
    entries.filter((entry) => wanted(entry.slice(0, 2))).map((entry) => entry.slice(3 + prefix.length))
  const isUnmerged = (code: string): boolean => /U|AA|DD/.test(code)
  return {
    unmerged: paths(isUnmerged),
    changed: paths((code) => !isUnmerged(code) && code !== '??'),
    untracked: paths((code) => code === '??'),
  }
}

/** The content that git keeps under the id of a blob. It asks no other machine, also in a partial clone. */
export function blobOf(ctx: Context, root: string, id: string): Buffer | undefined {
  throwIfEnded(ctx)
  return run(root, ['cat-file', 'blob', id])
}

/** The blobs below the service in a commit, by path. */
export function filesOfCommit(ctx: Context, root: string, commit: string): ReadonlyMap<string, string> {
  throwIfEnded(ctx)
  const listed = run(root, ['ls-tree', '-r', '-z', commit, '.'])?.toString('utf8') ?? ''
  return new Map(
    listed.split('\0').flatMap((line) => {
      const [, id = '', path = ''] = /^100\d+ blob ([0-9a-f]+)\t([\s\S]+)$/.exec(line) ?? []
      return path === '' ? [] : [[path, id] as const]
    }),
  )
}

/** The commits whose message says that create-mainstem created a service here, the newest first, with the version. */
export function creations(ctx: Context, root: string): { commit: string; version: string }[] {
  throwIfEnded(ctx)
  const log = run(root, ['log', '--format=%H %s', '--grep=^Create .* with create-mainstem ', '--', '.'])
  return (log?.toString('utf8') ?? '').split('\n').flatMap((line) => {
    const [, commit = '', version = ''] =
      /^([0-9a-f]+) Create \S+ with create-mainstem (\S+)$/.exec(line) ?? []
    return commit === '' ? [] : [{ commit, version }]
  })
}

/**
 * What `markUnmerged` gets so that editors and `git mergetool` show the three sides of each path. The sides are stored as blobs;
 * the index stays as it is.
 */
export function unmergedLines(
  root: string,
  { prefix }: Repository,
  conflicts: ReadonlyMap<string, Sides>,
): string {
  const lines: string[] = []
  for (const [path, { base, ours, theirs }] of conflicts) {
    lines.push(`0 ${'0'.repeat(40)}\t${prefix}${path}\0`)
    for (const [number, content] of [base, ours, theirs].entries()) {
      if (content === undefined) continue
      const id = textOf(run(root, ['hash-object', '-w', '--stdin'], content))
      lines.push(`100644 ${id} ${number + 1}\t${prefix}${path}\0`)
    }
  }
  return lines.join('')
}

/** Marks paths as unmerged in the index. `lines` are those of `unmergedLines`. */
export function markUnmerged(root: string, lines: string): void {
  if (lines !== '') run(root, ['update-index', '-z', '--index-info'], Buffer.from(lines))
}

/** Takes the three sides of these paths out of the index again: it has what the commit has. */
export function unstage(root: string, paths: readonly string[]): void {
  if (paths.length > 0) run(root, ['reset', '--quiet', '--', ...paths])
}

/**
 * Merges with `git merge-file`, for texts that are too long to be merged here.
 * @returns undefined if git cannot
 */
export function mergeFile(
  ctx: Context,
  folder: string,
  files: readonly [string, string, string],
  labels: readonly string[],
): { text: string; conflicts: number } | undefined {
  throwIfEnded(ctx)
  const names = labels.flatMap((label) => ['-L', label])
  const { status, stdout } = spawnSync(
    'git',
    ['merge-file', '--stdout', '--diff3', ...names, ...files],
    options(folder),
  )
  if (status === null || status < 0 || status > 127) return undefined
  return { text: stdout.toString('utf8'), conflicts: status }
}

/** The output of git, or undefined if it fails. */
function run(cwd: string, args: readonly string[], input?: Buffer): Buffer | undefined {
  const { status, stdout } = spawnSync('git', args, {
    ...options(cwd),
    ...(input === undefined ? {} : { input }),
  })
  return status === 0 ? stdout : undefined
}

function options(cwd: string) {
  // A partial clone would fetch a blob that it lacks.
  const env = { ...gitEnvironment(process.env), GIT_NO_LAZY_FETCH: '1', GIT_OPTIONAL_LOCKS: '0' }
  return { cwd, env, maxBuffer: 2 ** 30, encoding: 'buffer' as const }
}

function textOf(output: Buffer | undefined): string {
  return output?.toString('utf8').replace(/\n$/, '') ?? ''
}
