import { background, withoutCancel, withTimeout, type Context, type Lifetime } from './context/context.ts'
import { errorOf } from './context/thrown.ts'
import { withSignals } from './context/signals.ts'
import { flushMsOf, loadConfig, type Config } from './config.ts'
import { openDatabase, type Database } from './platform/database/database.ts'
import { exit } from './platform/lifecycle/exit.ts'
import { createLog, type Log, type ProcessLog } from './platform/telemetry/log.ts'
import { applyMigrations, migrationsFolder } from './platform/database/migrations.ts'
import { schemas } from './platform/schemas.ts'

/** How long the connection may take to close. */
const closeMs = 2_000

/**
 * `npm run db:migrate`, in the image `node dist/migrate.js`: applies the migrations of drizzle/. Waits up to
 * STARTUP_TIMEOUT_MS for the database, and as long again for another instance that migrates. After MIGRATE_TIMEOUT_MS in
 * all, or on SIGTERM or SIGINT, it ends and leaves nothing half done.
 * @returns the exit code: 0 if the database is up to date, else 1
 */
async function migrate(root: Lifetime, log: Log): Promise<number> {
  using stop = withSignals(root, 'SIGTERM', 'SIGINT')
  try {
    const config = loadConfig(process.env)
    const overdue = new Error(
      `it took longer than ${config.migrateTimeoutMs} ms (MIGRATE_TIMEOUT_MS): nothing was applied`,
    )
    using ctx = withTimeout(stop, config.migrateTimeoutMs, overdue)
    await apply(ctx, log, config)
    return 0
  } catch (error) {
    log.fatal(root, `cannot migrate: ${errorOf(error).message}`)
    return 1
  }
}

async function apply(ctx: Context, log: Log, { database, startupTimeoutMs }: Config): Promise<void> {
  const db = await open(ctx, log, database.url, startupTimeoutMs)
  try {
    const options = { folder: migrationsFolder, schemas: schemas(), waitMs: startupTimeoutMs }
    log.info(ctx, 'migrated', { applied: await applyMigrations(ctx, log, db, options) })
  } finally {
    // Detached: ctx may have ended, which is why the connection closes.
    using closing = withTimeout(withoutCancel(ctx), closeMs)
    // The end of the process closes what this does not. An error here would hide why the migration failed.
    await db.close(closing).catch((err: unknown) => log.warn(ctx, 'the database did not close', { err }))
  }
}

/** Opens one connection. @throws Error if the database does not answer within `timeoutMs` */
async function open(parent: Context, log: Log, url: string, timeoutMs: number): Promise<Database> {
  const overdue = new Error(`it took longer than ${timeoutMs} ms (STARTUP_TIMEOUT_MS)`)
  using ctx = withTimeout(parent, timeoutMs, overdue)
  return await openDatabase(ctx, log, { url, poolMax: 1, applicationName: 'migrate' })
}

/** Resolves with the exit code when the log has been written. */
async function run(root: Lifetime, log: ProcessLog): Promise<number> {
  const code = await migrate(root, log)
  using flushing = withTimeout(root, flushMsOf(process.env))
  await log.flush(flushing)
  return code
}

const { LOG_LEVEL: level, LOG_FORMAT: format } = process.env
exit(await run(background(), createLog({ level, format, service: 'migrate' })))
