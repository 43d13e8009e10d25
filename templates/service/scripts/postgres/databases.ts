import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { todo, withTimeout, type Context } from '../../src/context/context.ts'
import { openDatabase, type Database } from '../../src/platform/database/database.ts'
import { createLog, type Log } from '../../src/platform/telemetry/log.ts'
import { applyMigrations, migrationsFolder, requireMigrated } from '../../src/platform/database/migrations.ts'
import { schemas } from '../../src/platform/schemas.ts'
import { withClient } from './client.ts'
import { startPostgres, type Postgres } from './postgres.ts'

/**
 * A PostgreSQL to make databases on: a new one that stop() throws away, or the server of TEST_DATABASE_URL if it is set,
 * which stop() leaves alone. It ignores DATABASE_URL and the server of `npm run dev`: their data are not for tests.
 */
export async function temporaryServer(): Promise<Pick<Postgres, 'url' | 'stop'>> {
  const url = process.env['TEST_DATABASE_URL']
  if (url !== undefined && url !== '') return { url, stop: () => Promise.resolve() }
  return startPostgres({ dir: await mkdtemp(join(tmpdir(), 'postgres-')), persistent: false })
}

/** A database made for one purpose. */
export interface TemporaryDatabase {
  readonly name: string
  readonly url: string
  /** Removes it, and with it the connections that are still open. */
  drop(): Promise<void>
}

/**
 * Makes a database with a name of its own on the server at `serverUrl`. The URL's user must be allowed to create databases.
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

/** `url` with another database, in each form that the driver takes. */
function named(url: string, database: string): string {
  if (url.startsWith('/')) return `${url.split(' ')[0]} ${database}`
  if (url.startsWith('socket:')) {
    const socket = new URL(url)
    socket.searchParams.set('db', database)
    return socket.href
  }
  // Not by URL, which takes none without a host.
  return url.replace(/^(\w+:\/\/[^/?#]*)[^?#]*/, `$1/${database}`)
}

const openTimeoutMs = 10_000
const migrateTimeoutMs = 60_000

/**
 * Applies the migrations of drizzle/ to the database at `url`, as `npm run db:migrate` does: within a minute,
 * and 10 s for the database to answer.
 * @returns how many
 */
export function migrateDatabase(url: string): Promise<number> {
  return withDatabase(url, 'warn', async (ctx, log, db) => {
    const options = { folder: migrationsFolder, schemas: schemas(), waitMs: migrateTimeoutMs }
    return (await applyMigrations(ctx, log, db, options)).length
  })
}

/** @throws Error that names the migrations that the database at `url` lacks, as the service does when it starts */
export function checkMigrations(url: string): Promise<void> {
  return withDatabase(url, 'silent', (ctx, log, db) =>
    requireMigrated(ctx, log, db, migrationsFolder, schemas()),
  )
}

async function withDatabase<T>(
  url: string,
  level: string,
  work: (ctx: Context, log: Log, db: Database) => Promise<T>,
): Promise<T> {
  // A script has no root context: it ends with the terminal.
  using ctx = withTimeout(todo(), migrateTimeoutMs)
  const log = createLog({ level, service: 'migrate' })
  using opening = withTimeout(ctx, openTimeoutMs, new Error(`it took longer than ${openTimeoutMs} ms`))
  const db = await openDatabase(opening, log, { url, poolMax: 1, applicationName: 'migrate' })
  try {
    return await work(ctx, log, db)
  } finally {
    await db.close(ctx)
  }
}

async function execute(url: string, statement: string): Promise<void> {
  await withClient(url, 10_000, (client) => client.query(statement))
}
