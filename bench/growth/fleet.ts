import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { throwIfEnded } from '../../generator/ended.ts'
import { migrateDatabase } from '../../sample-service/scripts/postgres/migrations.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { sample, startSampleProcess, type Line, type Running } from '../support/process.ts'
import { probedMain } from '../support/programs.ts'
import { memoryOf } from '../support/sample.ts'

const querySeconds = 1
/** Of 100 connections, 3 are for superusers. */
const granted = 97

/**
 * Adds instances to one PostgreSQL, which grants them as many connections as its defaults do, one after the other, until one does
 * not start or one of them cannot serve what its pool could. Prints a line for each. @param poolMax DATABASE_POOL_MAX of each,
 * and as many requests at once as an instance then serves
 */
export async function growFleet(ctx: Context, most: number, poolMax: number): Promise<void> {
  console.log(
    '\n| instances | connections to Postgres | of the requests that all pools serve at once: 200 | others | MB each |',
  )
  console.log('|---|---|---|---|---|')
  const dir = await mkdtemp(join(tmpdir(), 'fleet-'))
  const postgres = await startPostgres({ dir: join(dir, 'postgres'), persistent: false })
  const fleet: Running[] = []
  const looking = new pg.Client({ connectionString: postgres.url })
  try {
    await looking.connect()
    const url = await asOwner(looking, postgres.url)
    await migrateDatabase(url)
    const env = { DATABASE_URL: url, DATABASE_POOL_MAX: String(poolMax), UPLOAD_DIR: join(dir, 'uploads') }
    const read = (text: string): Line => {
      const line = JSON.parse(text) as Line & { err?: { message?: string } }
      return line.err?.message === undefined ? line : { ...line, msg: `${line.msg}: ${line.err.message}` }
    }
    const args = [await probedMain(sample)]
    for (let n = 1; n <= most; n++) {
      try {
        fleet.push(await startSampleProcess(ctx, { args, env, ipc: false, read }))
      } catch (error) {
        throwIfEnded(ctx)
        console.log(
          `| ${n} | | does not start: ${error instanceof Error ? error.message : String(error)} | | |`,
        )
        return
      }
      const others = await fillPools(ctx, fleet, looking, poolMax)
      if (others > 0) return
    }
  } finally {
    await looking.end()
    for (const one of fleet) await one[Symbol.asyncDispose]()
    await postgres.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

/** Asks each instance for `poolMax` slow requests, all at once. @returns how many had no 200 */
async function fillPools(
  ctx: Context,
  fleet: readonly Running[],
  looking: pg.Client,
  poolMax: number,
): Promise<number> {
  const path = `/probe/query?seconds=${querySeconds}`
  const requests = fleet.flatMap(({ port }) =>
    Array.from({ length: poolMax }, async () => {
      // undici keeps its listener on the signal for a while.
      using request = withCancel(ctx)
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: request.signal })
      return response.status
    }),
  )
  const statuses = await Promise.all(requests)
  const { rows } = await looking.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  )
  const memory = await Promise.all(fleet.map(({ child }) => memoryOf(child.pid ?? 0)))
  const mb = memory.reduce((sum, { now }) => sum + now, 0) / fleet.length / 2 ** 20
  const good = statuses.filter((status) => status === 200).length
  const others = statuses.length - good
  console.log(`| ${fleet.length} | ${rows[0]?.n ?? 0} | ${good} | ${others} | ${mb.toFixed(0)} |`)
  return others
}

/** Makes a user who owns the database. @returns its URL for that user */
async function asOwner(admin: pg.Client, url: string): Promise<string> {
  const owned = new URL(url)
  await admin.query(`create role app login password 'app' connection limit ${granted}`)
  await admin.query(`alter database ${pg.escapeIdentifier(owned.pathname.slice(1))} owner to app`)
  owned.username = 'app'
  owned.password = 'app'
  return owned.href
}
