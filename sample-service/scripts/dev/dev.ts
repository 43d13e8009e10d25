import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readFlags } from '../command-line.ts'
import { filesBelow } from '../files-below.ts'
import { givenUrl } from '../postgres/built-in.ts'
import { withoutLibpq } from '../postgres/client.ts'
import { emptyAdvice, keepMigrationNames, unknownMigrations } from '../postgres/unknown-migrations.ts'
import { programsBeside, startedBeside } from './beside.ts'
import { builtInPostgres, NoDatabase, reasonOf } from './built-in-postgres.ts'
import { watchChanges } from './changes.ts'
import { readEnvironment } from './environment.ts'
import { fingerprint } from './fingerprint.ts'
import { readKeys, clearScreen, repeatAddresses, say } from './screen.ts'
import { findLocks } from './packages.ts'
import { migrate, PortTaken, serveUntil, untilFree } from './run-service.ts'
import { root } from './service-process.ts'
import { stopSignal } from './stopping.ts'
import { sayWarnings } from './warnings.ts'

/** The files without which nothing starts. */
const programFiles = ['src/main.ts', 'src/migrate.ts', 'drizzle/meta/_journal.json']

/** How long requests may delay a restart. */
const drainMs = '1000'

/**
 * `npm run dev`: runs the service on DATABASE_URL, or else on the built-in PostgreSQL in .data/postgres; applies missing
 * migrations first. Restarts it after every change in src/, drizzle/, package.json, `.env` and the installed packages. Ctrl-C and
 * SIGTERM end the service, then Postgres; exit 0. `.env` is read at each start; variables of the environment override it.
 */
async function main(stop: AbortSignal): Promise<void> {
  const builtIn = builtInPostgres(stop)
  const beside = startedBeside(programsBeside())
  try {
    await restartOnChanges(builtIn, beside, stop)
  } finally {
    await builtIn.stop()
    await beside.stop()
  }
}

type BuiltIn = ReturnType<typeof builtInPostgres>
type Beside = ReturnType<typeof startedBeside>

async function restartOnChanges(builtIn: BuiltIn, beside: Beside, stop: AbortSignal): Promise<void> {
  /** Ends the current run of the service by resolving its `next`. */
  let end: (because: string) => void = () => undefined
  stop.addEventListener('abort', () => end('stop'))
  // Acts like Ctrl-C in a terminal that delivers signals.
  const quit = (): boolean => process.emit('SIGINT')
  const help = repeatAddresses
  const hasKeys = readKeys({ r: () => end('r'), s: seed, c: clearScreen, h: help, '?': help, q: quit }, quit)
  let because: string | undefined
  /** A fingerprint of the migrations that were last applied. */
  let migrated: string | undefined
  while (!stop.aborted) {
    const next = new Promise<string>((resolve) => (end = resolve))
    const over = new AbortController()
    const warn = (): void => {
      sayWarnings(over.signal).catch(() => undefined)
    }
    // Watched before anything is read, so that no change is missed.
    await watchChanges(findLocks()[0]?.folder ?? root, over.signal, (paths) => end(summary(paths)))
    try {
      const { env, isBuiltIn, migrations } = await prepare(builtIn, beside)
      if (migrations === migrated || (await migrateAndCompare(env, next, isBuiltIn))) {
        migrated = migrations
        await serveUntil(next, env, { because, hasKeys, onListening: warn })
      }
    } catch (error) {
      if (error instanceof NoDatabase) throw error
      migrated = undefined
      say(reasonOf(error))
      if (error instanceof PortTaken) untilFree(error, over.signal).then(end, () => undefined)
      warn()
    }
    because = await next
    over.abort()
  }
}

/**
 * Reads the service's environment, and starts the built-in PostgreSQL if the service needs it.
 * @throws Error of one sentence if `.env` cannot be read, or if PostgreSQL does not start again
 */
async function prepare(builtIn: BuiltIn, beside: Beside) {
  try {
    const given = readEnvironment()
    const missing = programFiles.find((path) => !existsSync(join(root, path)))
    if (missing !== undefined) throw new Error(`${missing} is missing`)
    const isBuiltIn = givenUrl(given) === undefined
    const url = givenUrl(given) ?? (await builtIn.start())
    // AUTH belongs to `add auth`. Without an issuer and keys, everybody is let in under dev.
    const env = {
      SHUTDOWN_DRAIN_MS: drainMs,
      ...openWithoutAuth(given),
      ...(await beside.variables(isBuiltIn ? withoutLibpq(given) : given)),
      DATABASE_URL: url,
    }
    // If none of these files has changed, no migration can be missing, and the database need not be asked. The last two files
    // decide which libraries add tables of their own.
    const migrations = (await filesBelow(join(root, 'drizzle'))).map((path) => `drizzle/${path}`)
    const files = [...migrations, 'src/platform/schemas.ts', 'package.json']
    return { env, isBuiltIn, migrations: `${url} ${await fingerprint(files)}` }
  } catch (error) {
    if (error instanceof NoDatabase) throw error
    throw new Error(`${reasonOf(error)}; waiting for a change`, { cause: error })
  }
}

function openWithoutAuth(given: NodeJS.ProcessEnv): Record<string, string> {
  const chosen = ['AUTH_ISSUER', 'AUTH_API_KEYS'].some((name) => (given[name] ?? '') !== '')
  return chosen ? {} : { AUTH: 'off' }
}

/** Migrates, and warns of migrations that the built-in PostgreSQL has and drizzle/ lacks: they may conflict. */
async function migrateAndCompare(
  env: NodeJS.ProcessEnv & { DATABASE_URL: string },
  next: Promise<string>,
  isBuiltIn: boolean,
): Promise<boolean> {
  if (!isBuiltIn) return migrate(env, next)
  try {
    const migrated = await migrate(env, next)
    if (migrated) await keepMigrationNames().catch(() => undefined)
    return migrated
  } finally {
    const unknown = await unknownMigrations(env.DATABASE_URL).catch(() => undefined)
    if (unknown !== undefined) say(`warning: ${unknown}; ${emptyAdvice}`)
  }
}

/** Runs `npm run db:seed` while the service runs; it prints what it did. */
function seed(): void {
  const args = ['--import', './scripts/tsx.js', 'scripts/seed/seed.ts']
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  child.on('error', (error) => say(`db:seed cannot be started: ${error.message}`))
}

/** Names a changed file, preferably one that exists: editors and `add` write temporary files. */
function summary(paths: readonly string[]): string {
  const kept = paths.filter((path) => /\.(ts|sql|json|env)$/.test(path) && existsSync(join(root, path)))
  const [first = '', ...others] = kept.length > 0 ? kept : paths
  return others.length === 0 ? first : `${first} and ${others.length} more`
}

readFlags('dev', 'starts PostgreSQL, migrates, starts the service, and restarts it on every change', {})
const stop = stopSignal()
// The program that reads this output has ended, such as `head`.
for (const output of [process.stdout, process.stderr]) output.on('error', () => process.emit('SIGINT'))
try {
  await main(stop)
} catch (error) {
  // Ctrl-C also reaches initdb, which then fails.
  if (!stop.aborted) {
    say(reasonOf(error))
    process.exit(1)
  }
}
process.exit(0)
