import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Context } from '../../templates/service/src/context/context.ts'
import { throwIfEnded } from '../ended.ts'
import { Failure } from '../failure.ts'
import { gitEnvironment, repositoryAround } from '../git.ts'
import { findOnPath } from '../package-manager.ts'

/** The repository that holds a service. Its functions read only, except `stage` and `unstage`. */
export interface Repository {
  /** The path of the service in the repository, with a slash at its end; empty at the top. */
  readonly prefix: string
  /** The id of the commit that is checked out; undefined before the first. */
  readonly head: string | undefined
}

/** The output of `git status` for the service. */
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

/**
 * The repository around the service at `root`; undefined if there is none, or if it ignores the service.
 * @throws Failure with git's message if git refuses to read the repository
 */
export function repositoryAt(ctx: Context, root: string): Repository | undefined {
  throwIfEnded(ctx)
  if (findOnPath('git', process.env) === undefined) {
    const folder = repositoryAround(root)
    if (folder === undefined) return undefined
    throw new Failure(`the service is in the git repository ${folder}, and git is not installed: install it`)
  }
  const inside = ask(root, ['rev-parse', '--show-prefix'])
  if (inside.status !== 0) {
    if (/not a git repository/.test(inside.words) && !existsSync(join(root, '.git'))) return undefined
    throw refused(inside.words)
  }
  const ignored = ask(root, ['check-ignore', '--quiet', '.'])
  if (ignored.status === 0) return undefined
  if (ignored.status !== 1) throw refused(ignored.words)
  const head = ask(root, ['rev-parse', '--verify', '--quiet', 'HEAD'])
  return { prefix: textOf(inside.stdout), head: textOf(head.stdout) || undefined }
}

/** The file that git keeps while an operation is under way, and the name of the operation. */
const operations: Readonly<Record<string, string>> = {
  MERGE_HEAD: 'a merge',
  CHERRY_PICK_HEAD: 'a cherry-pick',
  REVERT_HEAD: 'a revert',
  'rebase-merge': 'a rebase',
  'rebase-apply': 'a rebase',
  sequencer: 'a cherry-pick or a revert',
  BISECT_LOG: 'a bisection',
}

/** @throws Failure if a merge or the like is under way in git, or if its index is locked: the update would mix with that */
export function refuseUnderWay(ctx: Context, root: string): void {
  throwIfEnded(ctx)
  for (const [name, operation] of Object.entries(operations))
    if (existsSync(gitPath(root, name)))
      throw new Failure(`${operation} is under way in git: finish or abort it, then update`)
  const lock = gitPath(root, 'index.lock')
  if (existsSync(lock))
    throw new Failure(
      `git's index is locked, ${lock} exists: wait for the other git process; if there is none, remove that file`,
    )
}

function gitPath(root: string, name: string): string {
  return resolve(root, textOf(demand(root, ['rev-parse', '--git-path', name])))
}

/** The state of the service's own folder; the rest of the repository does not matter. */
export function statusOf(ctx: Context, root: string, { prefix }: Repository): Status {
  throwIfEnded(ctx)
  const flags = ['--porcelain=v1', '-z', '--no-renames', '--untracked-files=all']
  const output = demand(root, ['status', ...flags, '--', '.'])
  const entries = output
    .toString('utf8')
    .split('\0')
    .filter((entry) => entry !== '')
  const paths = (wanted: (code: string) => boolean): string[] =>
    entries.filter((entry) => wanted(entry.slice(0, 2))).map((entry) => entry.slice(3 + prefix.length))
  const isUnmerged = (code: string): boolean => /U|AA|DD/.test(code)
  return {
    unmerged: paths(isUnmerged),
    changed: paths((code) => !isUnmerged(code) && code !== '??'),
    untracked: paths((code) => code === '??'),
  }
}

/** The files of the service that a sparse checkout leaves out. */
export function leftOut(ctx: Context, root: string): string[] {
  throwIfEnded(ctx)
  const listed = demand(root, ['ls-files', '-t', '-z', '--', '.']).toString('utf8')
  return listed.split('\0').flatMap((line) => (line.startsWith('S ') ? [line.slice(2)] : []))
}

/**
 * The input of `markUnmerged`, with which editors and `git mergetool` show the three sides of each path. Stores the sides as
 * blobs and leaves the index as it is.
 */
export function unmergedLines(
  root: string,
  { prefix }: Repository,
  conflicts: ReadonlyMap<string, Sides>,
): string {
  const lines: string[] = []
  for (const [path, { base, ours, theirs }] of conflicts) {
    const ids = [base, ours, theirs].map((content) => {
      return content === undefined ? '' : textOf(demand(root, ['hash-object', '-w', '--stdin'], content))
    })
    // The first line removes the path from the index. Its id of zeros is as long as the others: a repository may use SHA-256.
    lines.push(`0 ${(ids.find((id) => id !== '') ?? '').replace(/./g, '0')}\t${prefix}${path}\0`)
    for (const [number, id] of ids.entries())
      if (id !== '') lines.push(`100644 ${id} ${number + 1}\t${prefix}${path}\0`)
  }
  return lines.join('')
}

/** Marks paths as unmerged in the index. `lines` are those of `unmergedLines`. */
export function markUnmerged(root: string, lines: string): void {
  if (lines !== '') demand(root, ['update-index', '-z', '--index-info'], Buffer.from(lines))
}

/** Resets these paths in the index to the commit, including the sides of conflicts. */
export function unstage(root: string, paths: readonly string[]): void {
  const listed = demand(root, ['diff', '--cached', '--name-only', '--no-renames', '--relative', '-z'])
  const staged = new Set(listed.toString('utf8').split('\0'))
  const ours = paths.filter((path) => staged.has(path))
  // Without it git would read a file name such as `[id].ts` as a pattern.
  const reset = ['--literal-pathspecs', 'reset', '--quiet', '--pathspec-from-file=-', '--pathspec-file-nul']
  if (ours.length > 0) demand(root, reset, Buffer.from(ours.join('\0')))
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

/** Runs git. @returns its exit code, its output and its stderr. @throws Failure if a signal ended it, as Ctrl-C does */
export function ask(cwd: string, args: readonly string[], input?: Buffer) {
  const about = { ...options(cwd), ...(input === undefined ? {} : { input }) }
  const { status, stdout, stderr, error, signal } = spawnSync('git', args, about)
  if (signal !== null) throw new Failure(`git was stopped by ${signal}: run this again`)
  return { status, stdout, words: error?.message ?? stderr.toString('utf8') }
}

/** Runs git. @returns its output. @throws Failure with git's message if it fails */
export function demand(cwd: string, args: readonly string[], input?: Buffer): Buffer {
  const { status, stdout, words } = ask(cwd, args, input)
  if (status === 0) return stdout
  throw refused(words)
}

function refused(words: string): Failure {
  const [first = 'git failed'] = words.split('\n')
  return new Failure(`git refuses, ${first.trim()}: fix that first`, { output: words.trim() })
}

function options(cwd: string) {
  // Keeps a partial clone from fetching a blob that it lacks.
  const env = { ...gitEnvironment(process.env), GIT_NO_LAZY_FETCH: '1', GIT_OPTIONAL_LOCKS: '0' }
  return { cwd, env, maxBuffer: 2 ** 30, encoding: 'buffer' as const }
}

function textOf(output: Buffer | undefined): string {
  return output?.toString('utf8').replace(/\n$/, '') ?? ''
}
