import pg from 'pg'
import type { TestContext } from 'vitest'
import type { Context } from '../../src/context/context.ts'
import { testContext } from '../../src/context/test-context.ts'
import { openDatabase, type Database } from '../../src/platform/database/database.ts'
import { createLog } from '../../src/platform/telemetry/log.ts'
import { createDatabase } from './postgres.ts'
import type { RunningService } from './service.ts'

/** A database of the test, and a view of it from outside. */
export interface ObservedDatabase {
  readonly ctx: Context
  readonly url: string
  /** A connection outside of the pool. */
  readonly observer: pg.Client
  /** How many backends of the pool are not idle: they work for a caller, or are in a transaction. */
  active(): Promise<number>
  /** Runs a select on the observer. @returns its one number */
  count(select: string): Promise<number>
}

/** The service's own pool on such a database. */
export interface TestDatabase extends ObservedDatabase {
  readonly db: Database
}

/** Opens a database with an empty table `things (id int, name text)`. Everything is removed with the test. */
export async function openTestDatabase(t: TestContext, poolMax = 2): Promise<TestDatabase> {
  const observed = await observedDatabase(t)
  const { ctx, url } = observed
  return { ...observed, db: await openPool(ctx, t, url, poolMax, 'subject') }
}

/** Makes the database of `openTestDatabase`, without a pool on it. */
export async function observedDatabase(t: TestContext): Promise<ObservedDatabase> {
  const ctx = testContext(t)
  const { url, drop } = await createDatabase()
  t.onTestFinished(drop)
  const observer = new pg.Client({ connectionString: url, application_name: 'test' })
  await observer.connect()
  t.onTestFinished(() => observer.end())
  await observer.query('create table things (id int primary key deferrable initially immediate, name text)')
  const count = async (select: string): Promise<number> => {
    const { rows } = await observer.query<number[]>({ text: select, rowMode: 'array' })
    return Number(rows[0]?.[0])
  }
  const active = () =>
    count(`select count(*) from pg_stat_activity
      where application_name = 'subject' and datname = current_database() and state <> 'idle'
        and query not like '%pg_stat_get_activity%'`)
  return { ctx, url, observer, active, count }
}

/** Opens a pool of the test on the database of a service. */
export async function openOwnDatabase(
  t: TestContext,
  { databaseUrl }: RunningService,
): Promise<Pick<TestDatabase, 'ctx' | 'db'>> {
  const ctx = testContext(t)
  return { ctx, db: await openPool(ctx, t, databaseUrl, 2, 'test') }
}

async function openPool(
  ctx: Context,
  t: TestContext,
  url: string,
  poolMax: number,
  applicationName: string,
): Promise<Database> {
  const log = createLog({ level: 'silent', service: 'test' })
  const db = await openDatabase(ctx, log, { url, poolMax, applicationName })
  t.onTestFinished(() => db.close(ctx))
  return db
}
