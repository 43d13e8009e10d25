/** The emitted service's cancels and settings through PgBouncer, which gives each client a number that is not a backend's. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresUser } from '../../templates/service/scripts/postgres/files.ts'
import { startPostgres, type Postgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { cause, withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { openDatabase, type Database } from '../../templates/service/src/platform/database/database.ts'
import { recordedLog } from '../../templates/service/test/proofs/support/recorded-log.ts'

const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => {
  try {
    execFileSync(path, ['--version'])
    return true
  } catch {
    return false
  }
})
if (program === undefined)
  process.stderr.write('test/surroundings/cancels.test.ts needs pgbouncer (Debian: pgbouncer)\n')

const poolMax = 6

describe.skipIf(program === undefined).each(['session', 'transaction'])(
  'behind PgBouncer in %s mode',
  (mode) => {
    let postgres: Postgres
    let bouncer: Bouncer
    beforeAll(async () => {
      postgres = await startPostgres({
        dir: await mkdtemp(join(tmpdir(), 'cancels-postgres-')),
        persistent: false,
      })
      const client = new pg.Client({ connectionString: postgres.url })
      await client.connect()
      await client.query(`alter database postgres set datestyle = 'German'`)
      await client.query(`alter database postgres set timezone = 'Africa/Monrovia'`)
      await client.end()
      bouncer = await startBouncer(postgres.url, mode)
    })
    afterAll(async () => {
      await bouncer.stop()
      await postgres.stop()
    })

    test('five hundred cancels end their statements, hit no neighbour, and PgBouncer keeps working', async (t) => {
      const ctx = testContext(t)
      const log = recordedLog()
      const db = await openDatabase(ctx, log, { url: bouncer.url, poolMax, applicationName: 'subject' })
      const seen = { cancelled: 0, innocents: 0 }
      let over = false

      const neighbours = Promise.all(Array.from({ length: 2 }, () => innocent()))
      await Promise.all(Array.from({ length: 4 }, () => impatient()))
      over = true
      await neighbours

      expect(bouncer.child.exitCode, bouncer.said()).toBe(null)
      expect(log.lines.filter(({ level }) => level === 'warn')).toEqual([])
      expect(seen.cancelled).toBeGreaterThanOrEqual(500)
      expect(seen.innocents).toBeGreaterThan(100)
      expect(db.stats()).toMatchObject({ waiting: 0 })
      await db.close(ctx)

      async function impatient(): Promise<void> {
        while (seen.cancelled < 500) {
          using request = withTimeout(ctx, 1 + Math.random() * 30)
          await nap(request, db, 0.02).catch((error: unknown) => {
            expect(error).toBe(cause(request))
            seen.cancelled++
          })
        }
      }
      async function innocent(): Promise<void> {
        while (!over) {
          await nap(ctx, db, 0.001)
          seen.innocents++
        }
      }
    })

    test('values are written and read in the same way on every connection that it lends', async (t) => {
      const ctx = testContext(t)
      const db = await openDatabase(ctx, recordedLog(), {
        url: bouncer.url,
        poolMax,
        applicationName: 'subject',
      })
      const read = () =>
        db.run(ctx, (q) =>
          q.execute(
            sql`select '05/12/2026'::date::text as day, '2026-12-05T09:30Z'::timestamptz::text as at, pg_sleep(0.05)::text`,
          ),
        )

      const answers = await Promise.all(Array.from({ length: 12 }, read))

      for (const { rows } of answers)
        expect(rows).toMatchObject([{ day: '2026-05-12', at: '2026-12-05 09:30:00+00' }])
      await db.close(ctx)
    })

    test('another client of the same role keeps its own settings', async (t) => {
      const ctx = testContext(t)
      const db = await openDatabase(ctx, recordedLog(), {
        url: bouncer.url,
        poolMax,
        applicationName: 'subject',
      })
      await Promise.all(Array.from({ length: 6 }, () => nap(ctx, db, 0.05)))
      await db.close(ctx)
      const other = new pg.Client({ connectionString: bouncer.url })
      await other.connect()

      const { rows } = await other.query<{ name: string }>(
        `select name from pg_settings where source = 'session'`,
      )

      await other.end()
      // The settings that PgBouncer itself keeps for each client.
      const kept = [
        'application_name',
        'client_encoding',
        'DateStyle',
        'TimeZone',
        'standard_conforming_strings',
      ]
      expect(rows.map(({ name }) => name).filter((name) => !kept.includes(name))).toEqual([])
    })
  },
)

function nap(ctx: Context, db: Database, seconds: number): Promise<unknown> {
  return db.run(ctx, (q) => q.execute(sql`select pg_sleep(${seconds})`))
}

interface Bouncer {
  readonly url: string
  readonly child: ChildProcess
  /** Its last lines. */
  said(): string
  stop(): Promise<void>
}

/** It refuses to run as root, as Postgres does. Fewer connections to the server than clients, so that they are shared. */
async function startBouncer(databaseUrl: string, mode: string): Promise<Bouncer> {
  const { hostname, port, username, password } = new URL(databaseUrl)
  const folder = await mkdtemp(join(tmpdir(), 'cancels-pgbouncer-'))
  const user = await postgresUser(folder)
  const ownPort = await freePort()
  const users = join(folder, 'users.txt')
  const settings = join(folder, 'pgbouncer.ini')
  await writeFile(users, `"${username}" "${password}"\n`)
  await writeFile(
    settings,
    `[databases]
postgres = host=${hostname} port=${port} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${ownPort}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
pool_mode = ${mode}
default_pool_size = ${mode === 'session' ? poolMax + 2 : 3}
`,
  )
  if (user.uid !== undefined && user.gid !== undefined)
    for (const path of [folder, users, settings]) await chown(path, user.uid, user.gid)
  const child = spawn(program ?? '', [settings], { ...user, stdio: ['ignore', 'ignore', 'pipe'] })
  const lines: string[] = []
  const up = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line)
      lines.splice(0, lines.length - 20)
      if (line.includes('process up')) resolve()
    })
    child.once('exit', () => reject(new Error(`PgBouncer ended: ${lines.join('\n')}`)))
  })
  await up
  return {
    url: `postgres://${username}:${password}@127.0.0.1:${ownPort}/postgres`,
    child,
    said: () => lines.join('\n'),
    async stop() {
      const ended = child.exitCode !== null || child.signalCode !== null ? undefined : once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
