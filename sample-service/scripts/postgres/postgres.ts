import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { accepts, freePort, keepPort, keptPort, readLock, urlOf } from './address.ts'
import { faultFrom, inUse } from './faults.ts'
import { homeFor, postgresPrograms, postgresUser, type Programs, type User } from './files.ts'
import { forgetLibpq } from './client.ts'
import { endWithThisProcess } from './watchdog.ts'

export interface PostgresOptions {
  /** The folder for its data. Made if absent. */
  readonly dir: string
  /** By default the port of the last start if `persistent` and still free, else any free one. */
  readonly port?: number
  /**
   * Keeps the data for the next start, safe against a crash. Otherwise the server runs without fsync, and stop() removes `dir`.
   */
  readonly persistent: boolean
}

/** A running PostgreSQL on 127.0.0.1. */
export interface Postgres {
  /** Its database `postgres`, as its superuser. */
  readonly url: string
  /** The port of the last start, if another program has taken it since. */
  readonly lostPort?: number | undefined
  /** Resolves when the server has ended, by stop() or otherwise. */
  readonly exited: Promise<unknown>
  /** Disconnects all clients, shuts down, and resolves when all its processes have ended. May be called twice. */
  stop(): Promise<void>
}

/** The data in `home`, and the programs that run a server on them. */
interface Cluster {
  readonly programs: Programs
  readonly home: string
  readonly user: User
  readonly persistent: boolean
}

/** A server that is ready. */
interface Server {
  readonly child: ChildProcess
  readonly port: number
  readonly exited: Promise<unknown>
}

const startTimeoutMs = 60_000
/** How long each of SIGINT (fast shutdown) and SIGQUIT (immediate shutdown) may take before the next, harder signal. */
const stopTimeoutMs = 10_000
const inUseTimeoutMs = 5_000
const portAttempts = 5
const shownLines = 8

/** Trades safety for speed; the data are temporary. */
const forgetful = ['-c', 'fsync=off', '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off']

/**
 * Starts the PostgreSQL that npm installed, with a new cluster in `dir` unless `dir` has one. The server ends with stop(), and
 * with this process. After a kill -9 it recovers at the next start.
 * @throws Error with Postgres's own last lines; Error of one sentence if the PostgreSQL from npm does not run here
 */
export async function startPostgres({ dir, port = 0, persistent }: PostgresOptions): Promise<Postgres> {
  forgetLibpq()
  const user = await postgresUser(join(dir, 'data'))
  const home = await homeFor(dir, user)
  const remove = async (): Promise<void> => {
    if (persistent) return
    await rm(home, { recursive: true, force: true })
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const programs = await postgresPrograms(home, user)
    const cluster = { programs, home, user, persistent }
    if (!existsSync(join(home, 'data'))) await createCluster(cluster)
    const kept = persistent && port === 0 ? await keptPort(home) : undefined
    const server = await serve(cluster, port, kept)
    if (persistent) await keepPort(home, server.port)
    let stopped: Promise<void> | undefined
    return {
      url: await urlOf(home, server.port),
      lostPort: server.port === kept ? undefined : kept,
      exited: server.exited,
      stop: () => (stopped ??= end(server.child).then(remove)),
    }
  } catch (error) {
    await remove()
    const isSystems = error instanceof Error && 'syscall' in error
    throw isSystems ? faultFrom(error.message, home, `PostgreSQL did not start on ${home}`, error) : error
  }
}

/** Runs initdb in a folder of another name and renames it at the end, so that an interrupted run leaves no partial cluster. */
async function createCluster({ programs, home, user, persistent }: Cluster): Promise<void> {
  const data = await mkdtemp(join(home, 'new-'))
  const password = join(home, 'password')
  await writeFile(password, randomBytes(16).toString('hex'), { mode: 0o600 })
  if (user.uid !== undefined && user.gid !== undefined) {
    await chown(data, user.uid, user.gid)
    await chown(password, user.uid, user.gid)
  }
  // Uses the same locale on every machine, and a password, since other users of this machine can reach the port. The password is
  // random, so one iteration of its hash is as good as 4096.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const access = [
    '--username=postgres',
    `--pwfile=${password}`,
    '--auth=scram-sha-256',
    '--set=scram_iterations=1',
  ]
  const args = [
    `--pgdata=${data}`,
    ...locale,
    ...access,
    '--no-instructions',
    ...(persistent ? [] : ['--no-sync']),
  ]
  try {
    await promisify(execFile)(programs.initdb, args, {
      ...processOptions(user, home),
      timeout: startTimeoutMs,
    })
    await rename(data, join(home, 'data'))
  } catch (cause) {
    await rm(data, { recursive: true, force: true })
    const said =
      cause instanceof Error && 'stderr' in cause ? lastOf(String(cause.stderr).trim().split('\n')) : ''
    throw faultFrom(said || String(cause), home, `initdb could not make a cluster in ${home}`, cause)
  }
}

/**
 * Postgres cannot choose a free port itself. So this tries a port that was free a moment ago, and another if a program has taken
 * that port since.
 */
async function serve(cluster: Cluster, wanted: number, kept: number | undefined): Promise<Server> {
  const { home, persistent } = cluster
  let port = wanted || kept || (await freePort(persistent))
  for (let attempt = 1; ; attempt++) {
    const started = await startWhenReleased(cluster, port)
    if (typeof started !== 'string') return started
    const isTaken = started.includes('Address already in use')
    if (wanted !== 0 || attempt === portAttempts || !isTaken)
      throw faultFrom(started, home, `PostgreSQL did not start on ${home}, port ${port}`)
    port = await freePort(persistent)
  }
}

/**
 * Starts Postgres. Tries again while a server that was killed a moment ago still holds its lock file or its shared memory.
 * @returns the last lines of a Postgres that did not start @throws Error if another one runs on these data
 */
async function startWhenReleased(cluster: Cluster, port: number): Promise<Server | string> {
  const { home } = cluster
  for (const until = performance.now() + inUseTimeoutMs; ;) {
    const started = await startOn(cluster, port)
    if (typeof started !== 'string' || !/already exists|still in use/.test(started)) return started
    const { pid, port: locked, status } = await readLock(home)
    const runs = status === 'ready' && (await accepts(locked))
    if (runs || performance.now() >= until) throw inUse(home, pid)
    await setTimeout(250)
  }
}

/** @returns the last lines of a Postgres that did not start */
async function startOn(
  { programs, home, user, persistent }: Cluster,
  port: number,
): Promise<Server | string> {
  const args = ['-D', join(home, 'data'), '-p', String(port), '-c', 'listen_addresses=127.0.0.1']
  const settings = ['-c', 'unix_socket_directories=', '-c', 'max_connections=200', '-c', 'timezone=UTC']
  const child = spawn(programs.postgres, [...args, ...settings, ...(persistent ? [] : forgetful)], {
    ...processOptions(user, home),
    // In a group of its own, so that after Ctrl-C in the terminal the service ends before PostgreSQL.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  endWithThisProcess(child, 'INT', persistent ? undefined : home)
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const said = await readiness(child)
  if (said === undefined) return { child, port, exited }
  await end(child)
  return said
}

function processOptions(user: User, cwd: string) {
  return { ...user, cwd, env: { ...process.env, LC_ALL: 'C' } }
}

/** Resolves with undefined when Postgres is ready, or with its last lines when it ends or takes too long. */
async function readiness(child: ChildProcess): Promise<string | undefined> {
  const lines: string[] = []
  const deadline = AbortSignal.timeout(startTimeoutMs)
  const ended = once(child, 'close', { signal: deadline }).catch((error: unknown) =>
    lines.push(String(error)),
  )
  if (child.stderr === null) throw new Error('postgres must be spawned with a pipe for its log')
  // Read to the end, even after Postgres is ready: a full pipe would stop it.
  const reader = createInterface({ input: child.stderr })
  const ready = new Promise<true>((resolve) => {
    reader.on('line', (line) => {
      if (line.includes('database system is ready to accept connections')) resolve(true)
      lines.push(line)
      lines.splice(0, lines.length - shownLines)
    })
  })
  if ((await Promise.race([ready, ended])) === true) return undefined
  return lastOf(lines) || 'it printed nothing'
}

function lastOf(lines: readonly string[]): string {
  return lines.slice(-shownLines).join('\n')
}

/** https://www.postgresql.org/docs/current/server-shutdown.html */
async function end(child: ChildProcess): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(stopTimeoutMs) })
    child.kill(signal)
    await ended.catch(() => undefined)
  }
}
