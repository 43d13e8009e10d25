import { realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'

/** Beside src/ and beside dist/: the same folder from both. */
const migrationsFolder = fileURLToPath(new URL('../drizzle', import.meta.url))
const connectTimeoutMs = 10_000

/**
 * Applies the migrations of drizzle/ that the database at `url` does not have, all or none. Two at once are safe: the
 * second waits for the first, and finds nothing to do. A program of its own, not part of the service, so no context.
 * @returns how many it applied
 * @throws Error that names the database and why
 */
export async function migrateDatabase(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs })
  // A connection that is lost while a query waits is told there; without a listener it would be thrown here, too.
  client.on('error', () => undefined)
  try {
    await client.connect()
    // Held by the connection, so that it ends with it, whatever happens.
    await client.query(`select pg_advisory_lock(hashtext('migrations of drizzle'))`)
    const db = drizzle(client)
    const table = sql`select to_regclass('drizzle.__drizzle_migrations') is not null as there`
    const count = async (): Promise<number> => {
      const [row] = (await db.execute<{ there: boolean }>(table)).rows
      if (row?.there !== true) return 0
      const counted = await db.execute<{ n: number }>(
        sql`select count(*)::int n from drizzle.__drizzle_migrations`,
      )
      return counted.rows[0]?.n ?? 0
    }
    const before = await count()
    if (readMigrationFiles({ migrationsFolder }).length === 0) return 0
    await migrate(db, { migrationsFolder })
    return (await count()) - before
  } catch (cause) {
    throw new Error(`cannot migrate ${place(url)}: ${reasonOf(cause)}`, { cause })
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Where a database is, without the password that its URL may hold. */
function place(url: string): string {
  if (!URL.canParse(url)) return 'the database (DATABASE_URL is no URL)'
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

/** The innermost reason, on one line: drizzle wraps Postgres's error in one that repeats the statement. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  if (!(error instanceof Error)) return String(error)
  if (error.cause !== undefined) return reasonOf(error.cause)
  return (error.message || error.name).replaceAll(/\s*\n\s*/g, ' ')
}

/** The `count` newest, oldest first, as drizzle-kit keeps them in its journal. */
async function lastMigrations(count: number): Promise<{ tag: string }[]> {
  const journal = await readFile(join(migrationsFolder, 'meta/_journal.json'), 'utf8')
  const { entries } = JSON.parse(journal) as { entries: { tag: string }[] }
  return count === 0 ? [] : entries.slice(-count)
}

async function main(): Promise<void> {
  const url = process.env['DATABASE_URL']
  if (url === undefined || url === '') {
    throw new Error('DATABASE_URL is required: postgres://user:password@host:5432/database')
  }
  const applied = await migrateDatabase(url)
  if (applied === 0) console.log('no migration to apply')
  for (const { tag } of await lastMigrations(applied)) console.log(`applied ${tag}`)
}

const [, script] = process.argv
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  try {
    await main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
