import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Context } from '../templates/service/src/context/context.ts'
import { lastLines, execute, type CommandResult } from './command.ts'
import { findOnPath, lockFiles } from './package-manager.ts'

/** Whether the service was committed, and a note for the user. */
interface Committed {
  readonly done: boolean
  readonly note: string
}

/** The most characters of paths per command: Windows limits a command line to 8191 characters. */
const filesAtOnce = 100

/**
 * Makes `directory` a repository with one commit: `files`, the lock file and everything else, except `scratch` and what git
 * ignores. A problem becomes the note and does not fail the creation: no git, an outer repository, no identity, a hook that
 * refuses. A member of a workspace belongs to the workspace's repository and gets none of its own.
 * @throws the cause of ctx when it ends
 */
export async function commitAll(
  ctx: Context,
  directory: string,
  message: string,
  files: readonly string[],
  scratch: string | undefined,
  inWorkspace: boolean,
): Promise<Committed> {
  if (findOnPath('git', process.env) === undefined) return not('git is not installed; no repository was made')
  const git: Git = (...args) =>
    execute(ctx, 'git', args, { cwd: directory, env: gitEnvironment(process.env) })

  const around = await git('rev-parse', '--show-toplevel')
  if (around.code === 0) {
    const ignored = await ignoredOf(git, files)
    const top = around.stdout.trim()
    if (existsSync(join(directory, '.git')))
      return not(`the directory is a repository: commit the service there${ignored}`)
    return not(`inside the repository ${top}: commit the service there${ignored}`)
  }
  if (around.output.includes('dubious ownership'))
    return not("inside another user's repository: commit the service there")

  if (inWorkspace) return not('the service is a member of a workspace: commit it with the workspace')
  const init = await git('init', '--quiet')
  if (init.code !== 0) return not(`git init failed (${lastLines(init.output, 1)}); no repository was made`)
  // Not `init -b main`, which needs git 2.28.
  await git('symbolic-ref', 'HEAD', 'refs/heads/main')
  const rest = ['--all', '--', '.', ...(scratch === undefined ? [] : [`:(exclude)${scratch}`])]
  const all = await git('add', ...rest)
  if (all.code !== 0) return not(`git add failed (${lastLines(all.output, 1)}); nothing is committed`)
  // Forced, because the user's own ignore file may list *.sql or .env*.
  const added = new Set((await git('ls-files', '-z')).stdout.split('\0'))
  const ours = [...files, ...lockFiles.filter((file) => existsSync(join(directory, file)))]
  for (const batch of batches(ours.filter((file) => !added.has(file)))) {
    const add = await git('add', '--force', '--', ...batch)
    if (add.code !== 0) return not(`git add failed (${lastLines(add.output, 1)}); nothing is committed`)
  }

  // Without useConfigOnly git makes up an author from the names of the user and the machine.
  const commit = await git('-c', 'user.useConfigOnly=true', 'commit', '--quiet', '--message', message)
  if (commit.code === 0) return { done: true, note: 'one commit on main' }
  if (/user\.useConfigOnly|tell me who you are|empty ident/i.test(commit.output)) {
    return not('git has no user.name or user.email; set both, then run git commit (all files are added)')
  }
  // After the cause, such as a failed signature, git adds a line that says that it wrote no commit.
  const why = /^error: (.+)$/m.exec(commit.output)?.[1] ?? lastLines(commit.output, 1)
  return not(`git commit failed (${why}); all files are added, so commit by hand`)
}

/** The folder with the `.git` of the repository that holds `path`, which need not exist. */
export function repositoryAround(path: string): string | undefined {
  if (existsSync(join(path, '.git'))) return path
  const above = dirname(path)
  return above === path ? undefined : repositoryAround(above)
}

type Git = (...args: string[]) => Promise<CommandResult>

/** The part of the note that names the `files` that the outer repository ignores; empty if there are none. */
async function ignoredOf(git: Git, files: readonly string[]): Promise<string> {
  const ignored: string[] = []
  for (const batch of batches(files)) {
    const { stdout } = await git('check-ignore', '--', ...batch)
    ignored.push(...stdout.split('\n').filter((line) => line !== ''))
  }
  if (ignored.length === 0) return ''
  const some = `${ignored.slice(0, 3).join(', ')}${ignored.length > 3 ? ' …' : ''}`
  return `, with git add --force for ${ignored.length} files that it ignores (${some})`
}

function batches(files: readonly string[]): string[][] {
  const found: string[][] = []
  for (let at = 0; at < files.length; at += filesAtOnce) found.push(files.slice(at, at + filesAtOnce))
  return found
}

function not(note: string): Committed {
  return { done: false, note }
}

/** The environment for git: in English, since we parse the messages; without a hook's or an alias's own repository. */
export function gitEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const foreign =
    /^GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|PREFIX|NAMESPACE)$/
  return { ...Object.fromEntries(Object.entries(env).filter(([name]) => !foreign.test(name))), LC_ALL: 'C' }
}
