import type { Context } from '../context/context.ts'
import type { Closers } from './closers.ts'
import { openDatabase, type Database } from './database.ts'
import type { Readiness } from './health.ts'
import type { Log } from './log.ts'
import { migrationsFolder, requireMigrated, schemas } from './migrations.ts'
import { observePool } from './metrics.ts'
import type { UploadLimits } from './multipart.ts'
import type { Storage } from './storage.ts'
import { openChosenStorage } from './storages.ts'
import { startTelemetry, type Telemetry } from './telemetry.ts'

/** What the process opened for its domains. `main` hands it down and has it closed. */
export interface Platform {
  readonly log: Log
  readonly telemetry: Telemetry
  readonly db: Database
  /** What `db` was opened with: for a library that must have connections of its own. */
  readonly database: { readonly url: string; readonly applicationName: string }
  readonly storage: Storage
  readonly readiness: Readiness
  readonly uploads: UploadLimits
}

/** The part of the configuration that the platform is opened with. */
export interface PlatformOptions {
  readonly service: string
  readonly database: { readonly url: string; readonly poolMax: number }
  readonly uploads: UploadLimits & { readonly url: string | undefined; readonly dir: string }
}

/** Opens all that lies outside the process, first what must close last. `opened` closes it, also after a failure here. */
export async function openPlatform(
  ctx: Context,
  log: Log,
  opened: Closers,
  options: PlatformOptions,
): Promise<Platform> {
  const telemetry = await opened.time('telemetry', startTelemetry(ctx, { serviceName: options.service, log }))
  opened.defer('telemetry', (ctx) => telemetry.close(ctx))
  const database = { ...options.database, applicationName: options.service }
  const db = await opened.time('database', openDatabase(ctx, log, database))
  opened.defer('database', (ctx) => db.close(ctx))
  observePool(() => db.stats())
  await opened.time('migrations', requireMigrated(ctx, log, db, migrationsFolder, schemas()))
  const storage = await opened.time('storage', openChosenStorage(ctx, options.uploads))
  return { log, telemetry, db, database, storage, uploads: options.uploads, readiness: { accepting: true } }
}
