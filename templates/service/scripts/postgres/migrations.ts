import { todo, withTimeout, type Context } from '../../src/context/context.ts'
import { openDatabase, type Database } from '../../src/platform/database/database.ts'
import { createLog, type Log } from '../../src/platform/telemetry/log.ts'
import { applyMigrations, migrationsFolder, requireMigrated } from '../../src/platform/database/migrations.ts'
import { schemas } from '../../src/platform/schemas.ts'

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
  // A script has no root context: Ctrl-C ends the process.
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
