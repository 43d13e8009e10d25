import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The root of this repository. */
export const repository = fileURLToPath(new URL('../..', import.meta.url))

const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

/** The command line that starts the compiled command as npm does, from any directory. global-setup.ts compiles it. */
export const commandLine = [process.execPath, join(repository, 'dist/bin.js')]

/** The same from its source, as `npm run create` starts it. */
export const sourceCommandLine = [process.execPath, '--import', loader, join(repository, 'generator/main.ts')]

/**
 * The same for another user, who may have no access to the clone or to Node's folder: a copy of everything that the
 * command needs, in a folder that every user can read.
 */
export async function commandLineFor(user: { uid?: number; gid?: number }, atEnd: AtEnd): Promise<string[]> {
  if (user.uid === undefined) return commandLine
  const folder = await temporaryFolder(atEnd)
  for (const path of ['package.json', 'dist'])
    await cp(join(repository, path), join(folder, path), { recursive: true })
  let node = process.execPath
  if (spawnSync('test', ['-x', node], { ...user, cwd: '/' }).status !== 0) {
    node = join(folder, 'node')
    await cp(process.execPath, node)
  }
  // Only its owner can read a clone made under umask 077.
  execFileSync('chmod', ['-R', 'a+rX', folder])
  return [node, join(folder, 'dist/bin.js')]
}

/** What a program that a test ran left behind: its exit code (null if a signal ended it) and what it printed. */
export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** `onTestFinished` or `afterAll`: runs its callback when the test no longer needs its folders. */
export type AtEnd = (fn: () => Promise<void>) => void

/**
 * For folders that a whole file uses, and for concurrent tests: vitest ignores an afterAll that a hook or a test registers, so
 * the file itself calls `afterAll(leftover.remove)`.
 */
export function leftovers(): { atEnd: AtEnd; remove: () => Promise<void> } {
  const fns: (() => Promise<void>)[] = []
  return {
    atEnd: (fn) => void fns.push(fn),
    remove: async () => {
      for (const fn of fns) await fn()
    },
  }
}

/** A new folder that every user can read. It is removed when the test ends. */
export async function temporaryFolder(atEnd: AtEnd): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'create-mainstem-test-')))
  await chmod(folder, 0o755)
  atEnd(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A home folder that holds only a git identity; not even that if `identity` is false. */
export async function homeFolder(atEnd: AtEnd, identity = true): Promise<string> {
  const home = await temporaryFolder(atEnd)
  if (identity)
    await writeFile(join(home, '.gitconfig'), '[user]\n\tname = A Tester\n\temail = tester@example.com\n')
  return home
}

/** An environment without the user's variables and without those of an npm that runs the tests. */
export function cleanEnvironment(home: string, extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: systemPath(), HOME: home, GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C.UTF-8', ...extra }
}

/** Runs a program to its end, without a terminal and without input. */
export function run(
  command: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number },
): Promise<Ended> {
  return start(command, options).ended
}

/** No program outlives its test: a program that hangs is killed, and the test fails. */
const bounded = { timeout: 170_000, killSignal: 'SIGKILL' } as const

/** Starts a program; `ended` resolves with its exit code and output. */
export function start(
  [file = '', ...args]: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number },
) {
  const child = spawn(file, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'], ...bounded })
  const seen: Ended = { code: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (seen.stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (seen.stderr += chunk))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ ...seen, code }))
  })
  return { child, seen, ended }
}

/** Calls `look` every 20 ms until it returns a value; throws after 60 s. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`waited 60 s for ${what}`)
}

/** A folder for PATH with one program in it: a shell script under that name. */
export async function fakeProgram(atEnd: AtEnd, name: string, script: string): Promise<string> {
  const folder = await temporaryFolder(atEnd)
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return folder
}

/** Every file below `folder` with its mode and hash, and every empty folder; git's and npm's own folders left out. */
export async function treeOf(folder: string, below = ''): Promise<Record<string, string>> {
  const tree: Record<string, string> = {}
  for (const name of (await readdir(join(folder, below))).sort()) {
    if (name === '.git' || name === 'node_modules') continue
    const path = below === '' ? name : `${below}/${name}`
    const stats = await lstat(join(folder, path))
    if (stats.isDirectory()) {
      const inner = await treeOf(folder, path)
      Object.assign(tree, Object.keys(inner).length > 0 ? inner : { [path]: 'empty folder' })
    } else if (stats.isSymbolicLink()) tree[path] = 'link'
    else {
      const hash = createHash('sha256').update(await readFile(join(folder, path)))
      tree[path] = `${(stats.mode & 0o777).toString(8)} ${hash.digest('hex')}`
    }
  }
  return tree
}

/** Writes files by path below `folder`. */
export async function writeFiles(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
}

/** Whether the path exists. */
export async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

/** Node's own folder first, so that the same npm and node run that run the tests. */
function systemPath(): string {
  return [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(':')
}
