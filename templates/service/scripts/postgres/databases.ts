import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { withClient } from './client.ts'
import { startPostgres, type Postgres } from './postgres.ts'

/**
 * A PostgreSQL for temporary databases: the server of TEST_DATABASE_URL, which stop() leaves running, or a new one, which stop()
 * removes. It ignores DATABASE_URL and the server of `npm run dev`, whose data are not for tests.
 */
export async function temporaryServer(): Promise<Pick<Postgres, 'url' | 'stop'>> {
  const url = process.env['TEST_DATABASE_URL']
  if (url !== undefined && url !== '') return { url, stop: () => Promise.resolve() }
  return startPostgres({ dir: await mkdtemp(join(tmpdir(), 'postgres-')), persistent: false })
}

/** A temporary database. */
export interface TemporaryDatabase {
  readonly name: string
  readonly url: string
  /** Drops the database and closes the connections to it. */
  drop(): Promise<void>
}

/**
 * Creates a database with a unique name on the server at `serverUrl`. The URL's user must be allowed to create databases.
 * @param template the name of the database to copy, which must have no connections
 */
export async function makeDatabase(serverUrl: string, template = 'template0'): Promise<TemporaryDatabase> {
  const name = `tmp_${randomUUID().replaceAll('-', '_')}`
  await execute(serverUrl, `create database ${name} template ${pg.escapeIdentifier(template)}`)
  return {
    name,
    url: named(serverUrl, name),
    drop: () => execute(serverUrl, `drop database if exists ${name} with (force)`),
  }
}

/** Replaces the database in `url`, in each form that the driver takes. */
function named(url: string, database: string): string {
  if (url.startsWith('/')) return `${url.split(' ')[0]} ${database}`
  if (url.startsWith('socket:')) {
    const socket = new URL(url)
    socket.searchParams.set('db', database)
    return socket.href
  }
  // Does not use URL, which rejects a URL without a host.
  return url.replace(/^(\w+:\/\/[^/?#]*)[^?#]*/, `$1/${database}`)
}

async function execute(url: string, statement: string): Promise<void> {
  await withClient(url, 10_000, (client) => client.query(statement))
}
