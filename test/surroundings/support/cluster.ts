import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { postgresUser, type User } from '../../../templates/service/scripts/postgres/files.ts'
import { freePort, type Scope } from './daemon.ts'

const bin = '/usr/lib/postgresql/15/bin'

/** Why there can be no cluster here; undefined if there can. @throws Error in CI, where the programs must be there */
export function missingCluster(): string | undefined {
  if (existsSync(join(bin, 'pg_basebackup'))) return undefined
  const missing = `no PostgreSQL 15 in ${bin}: apt-get install postgresql-15`
  if (process.env['CI'] !== undefined) throw new Error(missing)
  return missing
}

/** A PostgreSQL 15 of a cluster. */
export interface Server {
  readonly port: number
  /** A fast shutdown: before it ends, it sends everything to the standby. */
  stop(): Promise<void>
  /** An immediate shutdown, which sends nothing any more. */
  crash(): Promise<void>
  /** Runs one statement. */
  sql(statement: string): Promise<unknown>
}

/** A primary and its standby. */
export async function startCluster(t: Scope): Promise<{ primary: Server; standby: Server }> {
  const dir = await mkdtemp(join(tmpdir(), 'mainstem-failover-'))
  t.onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const user = await postgresUser(dir)
  if (user.uid !== undefined && user.gid !== undefined) await chown(dir, user.uid, user.gid)
  await run('initdb', user, ['-D', join(dir, 'primary'), '-U', 'postgres', '--auth=trust', '--no-sync'])
  const primary = await serve(t, join(dir, 'primary'), user)
  const backup = ['-D', join(dir, 'standby'), '-R', '-X', 'stream', '-c', 'fast']
  await run('pg_basebackup', user, ['-p', String(primary.port), ...backup])
  const standby = await serve(t, join(dir, 'standby'), user)
  return { primary, standby }
}

async function serve(t: Scope, data: string, user: User): Promise<Server> {
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])]
  const child = spawn(join(bin, 'postgres'), args, { ...user, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = () => end(child, 'SIGINT')
  t.onTestFinished(stop)
  const lines = createInterface({ input: child.stderr })
  for await (const line of lines) {
    if (line.includes('ready to accept')) break
  }
  child.stderr.resume()
  const sql = (statement: string) => run('psql', user, ['-p', String(port), '-c', statement])
  return { port, stop, crash: () => end(child, 'SIGQUIT'), sql }
}

async function end(child: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

function run(program: string, user: User, args: string[]): Promise<unknown> {
  const env = { ...process.env, PGHOST: '127.0.0.1', PGUSER: 'postgres' }
  return promisify(execFile)(join(bin, program), args, { ...user, cwd: '/', env })
}

/** Forwards new connections to the port that was set last, and keeps open ones. */
export async function startBalancer(t: Scope, first: number) {
  let port = first
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    open.add(client)
    client
      .on('error', () => upstream.destroy())
      .on('close', () => void upstream.destroy())
      .pipe(upstream)
    upstream
      .on('error', () => client.destroy())
      .on('close', () => void client.destroy())
      .pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
    return Promise.resolve()
  })
  return { port: (server.address() as AddressInfo).port, leadTo: (to: number) => void (port = to) }
}
