/** A PostgreSQL 15 with a standby that is promoted, behind a balancer: `apt-get install postgresql-15`. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { sql } from 'drizzle-orm'
import { expect, test, type TestContext } from 'vitest'
import { postgresUser, type User } from '../../templates/service/scripts/postgres/files.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { openDatabase } from '../../templates/service/src/platform/database/database.ts'
import { createLog } from '../../templates/service/src/platform/telemetry/log.ts'

const bin = '/usr/lib/postgresql/15/bin'

test('writes follow the primary, after a failover and after the loss of a primary', async (t) => {
  if (!existsSync(join(bin, 'pg_basebackup'))) {
    const missing = `no PostgreSQL 15 in ${bin}: apt-get install postgresql-15`
    if (process.env['CI'] !== undefined) throw new Error(missing)
    return t.skip(missing)
  }
  const { primary, standby } = await cluster(t)
  const balancer = await startBalancer(t, standby.port)
  const ctx = testContext(t)
  const log = createLog({ level: 'silent', service: 'test' })
  const url = `postgres://postgres@127.0.0.1:${balancer.port}/postgres`
  const db = await openDatabase(ctx, log, { url, poolMax: 3, applicationName: 'failover' })
  t.onTestFinished(() => db.close(ctx))
  const write = () => db.run(ctx, (q) => q.execute(sql`insert into things default values`))
  const later = { status: 503, headers: { 'retry-after': '1' } }
  // Three connections, all of which lead to the standby.
  await Promise.all([1, 2, 3].map(() => db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))))
  expect(await db.ping(ctx)).toBe('read-only')
  await expect(write()).rejects.toMatchObject(later)

  balancer.leadTo(primary.port)

  const inPlace = await tries(write, 20)
  expect(inPlace.failed.length).toBeLessThanOrEqual(3)
  for (const failure of inPlace.failed) expect(failure).toMatchObject(later)
  expect(await db.ping(ctx)).toBe('answers')

  await primary.stop()
  for (const failure of (await tries(write, 3)).failed) expect(failure).toMatchObject(later)
  balancer.leadTo(standby.port)
  await expect(write()).rejects.toMatchObject(later)
  await run('psql', standby.user, ['-p', String(standby.port), '-c', 'select pg_promote()'])

  await expect.poll(() => db.ping(ctx).catch(() => 'away'), { timeout: 20_000 }).toBe('answers')
  const promoted = await tries(write, 20)
  expect(promoted.failed.length).toBeLessThanOrEqual(3)
  const { rows } = await db.run(ctx, (q) =>
    q.execute<{ n: number }>(sql`select count(*)::int as n from things`),
  )
  expect(rows[0]?.n).toBe(inPlace.done + promoted.done)
})

async function tries(
  work: () => Promise<unknown>,
  times: number,
): Promise<{ done: number; failed: unknown[] }> {
  const failed: unknown[] = []
  for (let i = 0; i < times; i++) await work().catch((error: unknown) => failed.push(error))
  return { done: times - failed.length, failed }
}

interface Server {
  readonly port: number
  readonly user: User
  stop(): Promise<void>
}

/** A primary with a table, and its standby. */
async function cluster(t: TestContext): Promise<{ primary: Server; standby: Server }> {
  const dir = await mkdtemp(join(tmpdir(), 'mainstem-failover-'))
  t.onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const user = await postgresUser(dir)
  if (user.uid !== undefined && user.gid !== undefined) await chown(dir, user.uid, user.gid)
  await run('initdb', user, ['-D', join(dir, 'primary'), '-U', 'postgres', '--auth=trust', '--no-sync'])
  const primary = await serve(t, join(dir, 'primary'), user)
  const at = ['-p', String(primary.port)]
  await run('psql', user, [...at, '-c', 'create table things (id serial)'])
  await run('pg_basebackup', user, [...at, '-D', join(dir, 'standby'), '-R', '-X', 'stream', '-c', 'fast'])
  const standby = await serve(t, join(dir, 'standby'), user)
  return { primary, standby }
}

async function serve(t: TestContext, data: string, user: User): Promise<Server> {
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])]
  const child = spawn(join(bin, 'postgres'), args, { ...user, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = () => end(child)
  t.onTestFinished(stop)
  const lines = createInterface({ input: child.stderr })
  for await (const line of lines) {
    if (line.includes('ready to accept')) break
  }
  child.stderr.resume()
  return { port, user, stop }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // A fast shutdown: before it ends, it sends everything to the standby.
  child.kill('SIGINT')
  await ended
}

function run(program: string, user: User, args: string[]): Promise<unknown> {
  const env = { ...process.env, PGHOST: '127.0.0.1', PGUSER: 'postgres' }
  return promisify(execFile)(join(bin, program), args, { ...user, cwd: '/', env })
}

/** Leads new connections to the port that was set last, and does not touch open ones. */
async function startBalancer(t: TestContext, first: number) {
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
  })
  return { port: (server.address() as AddressInfo).port, leadTo: (to: number) => void (port = to) }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
