import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { root } from '../dev/service-process.ts'
import { keptUrl, readLock } from './address.ts'
import { withClient, forgetLibpq } from './client.ts'
import { startPostgres, type Postgres } from './postgres.ts'

/** The data of the built-in PostgreSQL, which npm installs and `npm run dev` starts. */
export const builtInFolder = join(root, '.data/postgres')

const startingTimeoutMs = 10_000

/** The database that a script uses, and where it comes from. */
export interface ChosenDatabase extends Pick<Postgres, 'url' | 'stop'> {
  readonly from: 'DATABASE_URL' | 'running' | 'started'
}

/** DATABASE_URL, unless it is missing or empty. */
export function givenUrl(env: NodeJS.ProcessEnv): string | undefined {
  return env['DATABASE_URL'] || undefined
}

/**
 * Returns DATABASE_URL, or without it the built-in PostgreSQL: the one that another process runs, or one that this function
 * starts and stop() stops.
 * @throws Error if NODE_ENV is production and DATABASE_URL is missing: production must name its database
 */
export async function chooseDatabase(env: NodeJS.ProcessEnv): Promise<ChosenDatabase> {
  const given = givenUrl(env)
  if (given !== undefined) return { url: given, from: 'DATABASE_URL', stop: () => Promise.resolve() }
  requireDevelopment(env)
  const running = await runningUrl()
  if (running !== undefined) return { url: running, from: 'running', stop: () => Promise.resolve() }
  return { ...(await startPostgres({ dir: builtInFolder, persistent: true })), from: 'started' }
}

/**
 * The URL of the built-in PostgreSQL, running or not. Creates its data if they are missing.
 * @throws Error as chooseDatabase does
 */
export async function builtInUrl(env: NodeJS.ProcessEnv): Promise<string> {
  requireDevelopment(env)
  const kept = (await runningUrl()) ?? (await keptUrl(builtInFolder))
  if (kept !== undefined) return kept
  const postgres = await startPostgres({ dir: builtInFolder, persistent: true })
  await postgres.stop()
  return postgres.url
}

function requireDevelopment(env: NodeJS.ProcessEnv): void {
  if (env['NODE_ENV'] !== 'production') return
  throw new Error('DATABASE_URL is missing: with NODE_ENV=production, nothing uses the built-in PostgreSQL')
}

/** The URL of the built-in PostgreSQL if it runs: its lock file has the port, and the server answers there. */
export async function runningUrl(): Promise<string | undefined> {
  const endsAt = performance.now() + startingTimeoutMs
  const status = async (): Promise<string> => (await readLock(builtInFolder)).status
  while ((await status()) === 'starting' && performance.now() < endsAt) await setTimeout(100)
  if ((await status()) !== 'ready') return undefined
  forgetLibpq()
  const url = await keptUrl(builtInFolder)
  return url && withClient(url, 2_000, () => Promise.resolve(url)).catch(() => undefined)
}
