import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pretty from 'pino-pretty'
import { watchChanges } from './changes.ts'
import { migrateDatabase } from '../postgres/databases.ts'
import { startPostgres } from '../postgres/postgres.ts'
import { root, startService, type Exit } from './service-process.ts'
import { stopSignal } from './stopping.ts'

/**
 * `npm run dev`: the service on a PostgreSQL in .data/postgres, or on DATABASE_URL if it is set; migrated, and started
 * anew after every change in src/ and drizzle/. Ctrl-C and SIGTERM end the service, then Postgres; exit 0.
 * Variables may stand in `.env`; those of the environment come first.
 */
async function main(stop: AbortSignal): Promise<void> {
  if (existsSync(join(root, '.env'))) process.loadEnvFile(join(root, '.env'))
  const given = process.env['DATABASE_URL']
  if (given !== undefined && given !== '') return serve(given, stop)

  const postgres = await startPostgres({ dir: join(root, '.data/postgres'), persistent: true })
  try {
    say(`PostgreSQL: ${postgres.url}`)
    await serve(postgres.url, stop)
  } finally {
    await postgres.stop()
  }
}

async function serve(url: string, stop: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    stop.addEventListener('abort', () => resolve())
  })
  // A restart should not wait long for requests that a browser keeps open.
  const env = { SHUTDOWN_DRAIN_MS: '1000', ...process.env, DATABASE_URL: url }
  while (!stop.aborted) {
    // Watched before it is read, so that no change is missed.
    const changes = await watchChanges([join(root, 'src'), join(root, 'drizzle')])
    const next = Promise.race([changes.changed, stopped])
    try {
      await runOnce(env, next)
    } catch (error) {
      say(`${messageOf(error)}; waiting for a change`)
      await next
    } finally {
      changes.close()
    }
  }
}

/** Migrates, and runs the service until `next`. @throws Error if it cannot migrate, or the service ends before */
async function runOnce(env: NodeJS.ProcessEnv, next: Promise<void>): Promise<void> {
  const applied = await migrateDatabase(env['DATABASE_URL'] ?? '')
  if (applied > 0) say(`migrations applied: ${applied}`)
  const service = startService(env, { stdout: process.stdout.isTTY ? 'pipe' : 'inherit' })
  service.stdout?.pipe(pretty({ colorize: true, ignore: 'pid,service', sync: true }))
  const exit = await Promise.race([next, service.exited])
  if (exit !== undefined) throw new Error(`the service ended with ${describe(exit)}`)
  await service.stop()
}

function describe(exit: Exit): string {
  return exit.signal ?? `exit code ${exit.code ?? 'unknown'}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** On stderr: stdout is the service's log. */
function say(message: string): void {
  console.error(`dev: ${message}`)
}

const stop = stopSignal()
try {
  await main(stop)
} catch (error) {
  // Ctrl-C also reaches initdb, which then says that it failed.
  if (!stop.aborted) {
    say(messageOf(error))
    process.exit(1)
  }
}
process.exit(0)
