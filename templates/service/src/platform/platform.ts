import type { Context } from '../context/context.ts'
import type { Closers } from './lifecycle/closers.ts'
import { openDatabase, type Database } from './database/database.ts'
import type { Readiness } from './http/stop.ts'
import type { Log, ProcessLog } from './telemetry/log.ts'
import { migrationsFolder, requireMigrated } from './database/migrations.ts'
import { schemas } from './schemas.ts'
import { observePool } from './telemetry/database-metrics.ts'
import { observeLog } from './telemetry/metrics.ts'
import type { UploadLimits } from './uploads/files.ts'
import { recentRequests, type RecentRequests } from './telemetry/kept.ts'
import type { Storage } from './storage/storage.ts'
import { openChosenStorage } from './storage/schemes.ts'
import { startTelemetry, type Telemetry } from './telemetry/telemetry.ts'

/** How many of the last requests `/debug/contexts` keeps, and how many of the last that failed. */
const keptRequests = 100

/** Everything that the process opens for its domains. `main` passes it down and closes it. */
export interface Platform {
  readonly log: Log
  readonly db: Database
  /** How `db` was opened, for a library that needs its own connections. */
  readonly database: { readonly url: string; readonly applicationName: string }
  readonly storage: Storage
  readonly readiness: Readiness
  readonly uploads: UploadLimits
  /** The origins whose pages may call the service. */
  readonly corsOrigins: readonly string[]
}

/** The part of the configuration that the platform needs. */
export interface PlatformOptions {
  readonly service: string
  readonly database: { readonly url: string; readonly poolMax: number }
  readonly uploads: UploadLimits & { readonly url: string | undefined; readonly dir: string }
  readonly corsOrigins: readonly string[]
}

/** Starts telemetry. `main` opens it first, so `opened` closes it last, and it exports how the others closed. */
export async function openTelemetry(
  ctx: Context,
  log: ProcessLog,
  opened: Closers,
  options: { readonly service: string; readonly debugContexts: boolean },
): Promise<Telemetry & { readonly recent: RecentRequests | undefined }> {
  const telemetry = await opened.time(ctx, 'telemetry', (ctx) =>
    startTelemetry(ctx, { log, serviceName: options.service }),
  )
  opened.defer('telemetry', (ctx) => telemetry.close(ctx), { exportsTraces: true })
  observeLog(log)
  return { ...telemetry, recent: options.debugContexts ? recentRequests(keptRequests) : undefined }
}

/** Opens the database and the storage. `opened` closes them, even after a failure here. */
export async function openPlatform(
  ctx: Context,
  log: Log,
  opened: Closers,
  options: PlatformOptions,
): Promise<Platform> {
  const database = { ...options.database, applicationName: options.service }
  const db = await opened.time(ctx, 'database', (ctx) => openDatabase(ctx, log, database))
  opened.defer('database', (ctx) => db.close(ctx))
  observePool(options.database.poolMax, () => db.stats())
  await opened.time(ctx, 'migrations', (ctx) => requireMigrated(ctx, log, db, migrationsFolder, schemas()))
  const storage = await opened.time(ctx, 'storage', (ctx) => openChosenStorage(ctx, options.uploads))
  const { uploads, corsOrigins } = options
  return {
    log,
    db,
    database,
    storage,
    uploads,
    corsOrigins,
    readiness: { accepting: true },
  }
}
