import { background, withTimeout, type Context } from './context/context.ts'
import { withSignals } from './context/signals.ts'
import { flushMsOf, loadConfig } from './config.ts'
import { openDatabase, type Database } from './platform/database.ts'
import { createLog, type Log, type ProcessLog } from './platform/log.ts'
import { applyMigrations, migrationsFolder, schemas } from './platform/migrations.ts'

/**
 * `npm run db:migrate`, in the image `node dist/migrate.js`: applies the migrations of drizzle/. Waits as long as
 * STARTUP_TIMEOUT_MS for the database, and as long again for another instance that migrates; a migration itself takes
 * what it takes. SIGTERM and SIGINT end it, with nothing half done. Exit 0 if the database is up to date, else 1.
 */
async function migrate(root: Context, log: Log): Promise<number> {
  using stop = withSignals(root, 'SIGTERM', 'SIGINT')
  try {
    const { database, startupTimeoutMs } = loadConfig(process.env)
    const db = await open(stop, log, database.url, startupTimeoutMs)
    try {
      const applied = await applyMigrations(stop, log, db, {
        folder: migrationsFolder,
        schemas: schemas(),
        waitMs: startupTimeoutMs,
      })
      log.info(stop, 'migrated', { applied })
    } finally {
      using closing = withTimeout(root, 2_000)
      await db.close(closing)
    }
    return 0
  } catch (error) {
    log.fatal(root, `cannot migrate: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  }
}

/** One connection, which holds the lock. @throws Error if the database does not answer within `timeoutMs` */
async function open(stop: Context, log: Log, url: string, timeoutMs: number): Promise<Database> {
  const overdue = new Error(`it took longer than ${timeoutMs} ms (STARTUP_TIMEOUT_MS)`)
  using ctx = withTimeout(stop, timeoutMs, overdue)
  return await openDatabase(ctx, log, { url, poolMax: 1, applicationName: 'migrate' })
}

/** The exit code, once the log is written out. */
async function run(root: Context, log: ProcessLog): Promise<number> {
  const code = await migrate(root, log)
  using flushing = withTimeout(root, flushMsOf(process.env))
  await log.flush(flushing)
  return code
}

process.exit(await run(background(), createLog({ level: process.env['LOG_LEVEL'], service: 'migrate' })))
