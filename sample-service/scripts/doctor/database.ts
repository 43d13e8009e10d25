import type pg from 'pg'
import { addressOf, reasonOf } from '../../src/platform/database/answer.ts'
import { builtInFolder, givenUrl, runningUrl } from '../postgres/built-in.ts'
import { withClient } from '../postgres/client.ts'
import { checkMigrations } from '../postgres/migrations.ts'
import { emptyAdvice, unknownMigrations } from '../postgres/unknown-migrations.ts'
import { homeFor, postgresPrograms, postgresUser } from '../postgres/files.ts'
import { settings } from '../pages/settings.ts'
import { fine, wrong, type Finding } from './finding.ts'

const answerTimeoutMs = 3_000
/** How far the clocks may differ. Beyond this, ids that sort by time go wrong, and deadlines between machines. */
const clockLimitMs = 1_000

/** Whether the database answers and has every migration, and whether its clock agrees with this machine's. */
export async function checkDatabase(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const given = givenUrl(env)
  // The check of the environment reports a URL that is not one of PostgreSQL.
  const invalid = settings({ DATABASE_URL: given }).some(
    ({ name, problem }) => name === 'DATABASE_URL' && problem,
  )
  if (given !== undefined && invalid) return []
  const url = given ?? (await runningUrl())
  if (url === undefined) return [await checkPrograms()]
  const where = `${given === undefined ? 'the built-in PostgreSQL' : 'PostgreSQL'} on ${addressOf(url)}`
  try {
    return await withClient(url, answerTimeoutMs, async (client) => {
      const statement = `select current_setting('server_version') as version`
      const { rows } = await client.query<{ version: string }>(statement)
      return [
        fine('database', `${where} answers, version ${rows[0]?.version}`),
        await checkApplied(url, given === undefined),
        await checkClock(client),
      ]
    })
  } catch (error) {
    return [wrong('database', `${where}: ${reasonOf(error)}`, fixFor(error))]
  }
}

/** Checks whether the built-in PostgreSQL, which does not run now, could run. */
async function checkPrograms(): Promise<Finding> {
  try {
    const user = await postgresUser(builtInFolder)
    await postgresPrograms(await homeFor(builtInFolder, user), user)
    return fine('database', 'the built-in PostgreSQL does not run now; npm run dev starts and migrates it')
  } catch (error) {
    // The message is better than its cause: it names the folder that cannot be created, and the cause is only ENOENT.
    const seen = error instanceof Error ? error.message : String(error)
    return wrong('database', seen, 'fix that, or set DATABASE_URL in .env')
  }
}

async function checkApplied(url: string, isBuiltIn: boolean): Promise<Finding> {
  const unknown = isBuiltIn ? await unknownMigrations(url) : undefined
  if (unknown !== undefined) return wrong('migrations', unknown, emptyAdvice)
  try {
    await checkMigrations(url)
    return fine('migrations', 'the database has all of drizzle/')
  } catch (error) {
    const [seen = '', fix = 'correct drizzle/'] = reasonOf(error).split(/: (?=run |take )/)
    return wrong('migrations', seen, fix)
  }
}

async function checkClock(client: pg.Client): Promise<Finding> {
  const before = Date.now()
  const statement = 'select extract(epoch from clock_timestamp())::float8 * 1000 as now'
  const { rows } = await client.query<{ now: number }>(statement)
  const after = Date.now()
  const theirs = rows[0]?.now ?? NaN
  const ms = Math.round(Math.max(before - theirs, theirs - after, 0))
  if (ms <= clockLimitMs)
    return fine('clock', `agrees with the database's within ${Math.max(ms, after - before)} ms`)
  const fix = 'synchronize both clocks (timedatectl set-ntp true)'
  return wrong('clock', `the clocks of this machine and of the database differ by ${ms} ms`, fix)
}

function fixFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code.startsWith('28')) return 'correct the user or the password in DATABASE_URL'
  if (code === '3D000') return 'create that database, or correct its name in DATABASE_URL'
  return 'start the database, or correct DATABASE_URL; without it, npm run dev starts a PostgreSQL of its own'
}
