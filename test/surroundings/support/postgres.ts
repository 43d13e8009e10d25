import { execFile } from 'node:child_process'
import { mkdir, writeFile, chown } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { inject } from 'vitest'
import { postgresUser } from '../../../templates/service/scripts/postgres/files.ts'
import { freePort, startDaemon, temporaryFolder, type Daemon, type Scope } from './daemon.ts'
import { pathOf } from './programs.ts'

/** The test's own PostgreSQL, with one database, `documents`, and its owner, the user `app`. */
export interface Postgres {
  readonly port: number
  /** The URL of the database `documents` for `app`. */
  readonly url: string
  readonly daemon: Daemon
  /** Runs a statement as the superuser, on a separate connection that stays open. */
  readonly sql: (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>
}

export interface PostgresOptions {
  /** 15 is from Debian, 18 from npm. */
  readonly version: 15 | 18
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[]
  /** Lines of pg_hba.conf for `app`; a password by default. */
  readonly access?: readonly string[]
  /** Files for the data folder, by name. */
  readonly files?: Readonly<Record<string, string>>
}

export const password = 'secret'

/** Starts a PostgreSQL. It refuses to run as root, so root starts it as another user. */
export async function startPostgres(t: Scope, options: PostgresOptions): Promise<Postgres> {
  const user = await postgresUser('')
  const folder = await temporaryFolder(t, 'postgres', user)
  const programs =
    options.version === 18
      ? { postgres: inject('postgres18') }
      : { postgres: pathOf('/usr/lib/postgresql/15/bin/postgres') }
  const data = join(folder, 'data')
  const initdb = join(dirname(programs.postgres), 'initdb')
  const args = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']
  await promisify(execFile)(initdb, ['-D', data, ...args], { ...user, cwd: folder })
  const port = await freePort()
  const settings = [
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    'fsync = off',
    'max_connections = 100',
  ]
  const access = ['host all postgres 127.0.0.1/32 trust']
  const files = {
    'postgresql.conf': [
      ...settings,
      `unix_socket_directories = ''`,
      "timezone = 'UTC'",
      ...(options.settings ?? []),
    ],
    'pg_hba.conf': [...access, ...(options.access ?? ['host all app 127.0.0.1/32 scram-sha-256'])],
    ...Object.fromEntries(Object.entries(options.files ?? {}).map(([name, text]) => [name, [text]])),
  }
  for (const [name, lines] of Object.entries(files)) {
    const path = join(data, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
    if (user.uid !== undefined && user.gid !== undefined) await chown(path, user.uid, user.gid)
  }
  // Fast shutdown: SIGTERM would wait for the clients.
  const daemon = await startDaemon(t, [programs.postgres, '-D', data], { cwd: folder, port, user })
  t.onTestFinished(() => daemon.stop('SIGINT'))
  const first = await connected(port, 'postgres')
  await first.query(`create role app login password '${password}'`)
  await first.query('create database documents owner app')
  await first.end()
  const client = await connected(port, 'documents')
  // Postgres is stopped while this connection is open.
  client.on('error', () => undefined)
  t.onTestFinished(() => client.end().catch(() => undefined))
  return {
    port,
    url: `postgres://app:${password}@127.0.0.1:${port}/documents`,
    daemon,
    sql: async (text, values = []) => (await client.query<Record<string, unknown>>(text, values)).rows,
  }
}

/** Connects as soon as Postgres has recovered: before that it refuses connections. */
async function connected(port: number, database: string): Promise<pg.Client> {
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database })
    try {
      await client.connect()
      return client
    } catch (error) {
      if (tries === 100 || (error as { code?: unknown }).code !== '57P03') throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** How many other statements run whose text contains `part`. */
export async function running({ sql }: Postgres, part: string): Promise<number> {
  const [row] = await sql(
    `select count(*)::int as count from pg_stat_activity
      where pid <> pg_backend_pid() and state <> 'idle' and query like $1`,
    [`%${part}%`],
  )
  return Number(row?.['count'])
}
