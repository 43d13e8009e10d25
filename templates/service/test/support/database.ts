import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { TestContext } from 'vitest'
import type { Context } from '../../src/context/context.ts'
import { testContext } from '../../src/context/test-context.ts'
import { openDatabase, type Database } from '../../src/platform/database/database.ts'
import { createLog, type Log } from '../../src/platform/telemetry/log.ts'
import { createDatabase } from './postgres.ts'
import { startProxy, type Proxy } from './proxy.ts'
import type { RunningService } from './service.ts'

/** The service's own pool on a database of the test, and a view of it from outside. */
export interface TestDatabase {
  readonly ctx: Context
  readonly db: Database
  /** The proxy between `db` and Postgres, which can delay, lose and cut their messages. */
  readonly proxy: Proxy
  /** A connection outside of `db`. */
  readonly observer: pg.Client
  /** How many backends of `db` are not idle: they work for a caller, or are in a transaction. */
  active(): Promise<number>
  /** Runs a select on the observer. @returns its one number */
  count(select: string): Promise<number>
}

/**
 * Opens a database with an empty table `things (id int, name text)`. Everything is removed with the test.
 * @param how.pooler connects through a simulated pooler, so that statements are cancelled with CancelRequests
 * @param how.log gets what `db` logs
 * @param how.role connects as a new role with these options
 * @param how.actsAs the role that its connections act as
 */
export async function openTestDatabase(
  t: TestContext,
  poolMax = 2,
  how: {
    readonly pooler?: boolean
    readonly log?: Log
    readonly role?: string
    readonly actsAs?: string
  } = {},
): Promise<TestDatabase> {
  const ctx = testContext(t)
  const { url, drop } = await createDatabase()
  t.onTestFinished(drop)
  const observer = new pg.Client({ connectionString: url, application_name: 'test' })
  await observer.connect()
  t.onTestFinished(() => observer.end())
  await observer.query('create table things (id int primary key deferrable initially immediate, name text)')
  const own = how.role === undefined ? url : await asRole(t, url, observer, how.role)
  if (how.actsAs !== undefined)
    await observer.query(`alter role ${new URL(own).username} set role = ${how.actsAs}`)
  const proxy = await startProxy(t, own)
  proxy.pooler = how.pooler ?? false
  const log = how.log ?? createLog({ level: 'silent', service: 'test' })
  const db = await openDatabase(ctx, log, { url: proxy.url, poolMax, applicationName: 'subject' })
  t.onTestFinished(() => db.close(ctx))

  const count = async (select: string): Promise<number> => {
    const { rows } = await observer.query<number[]>({ text: select, rowMode: 'array' })
    return Number(rows[0]?.[0])
  }
  return {
    ctx,
    db,
    proxy,
    observer,
    count,
    active: () =>
      count(`select count(*) from pg_stat_activity
        where application_name = 'subject' and datname = current_database() and state <> 'idle'
          and query not like '%pg_stat_get_activity%'`),
  }
}

/** Opens a pool of the test on the database of a service. */
export async function openOwnDatabase(
  t: TestContext,
  { databaseUrl }: RunningService,
): Promise<Pick<TestDatabase, 'ctx' | 'db'>> {
  const ctx = testContext(t)
  const log = createLog({ level: 'silent', service: 'test' })
  const db = await openDatabase(ctx, log, { url: databaseUrl, poolMax: 2, applicationName: 'test' })
  t.onTestFinished(() => db.close(ctx))
  return { ctx, db }
}

/** @returns `url` for a new role */
async function asRole(t: TestContext, url: string, observer: pg.Client, options: string): Promise<string> {
  const role = `role_${randomUUID().replaceAll('-', '')}`
  await observer.query(`create role ${role} login password 'not-to-be-told' ${options}`)
  await observer.query(`grant all on all tables in schema public to ${role}`)
  t.onTestFinished(async () => {
    await observer.query(`drop owned by ${role}; drop role ${role}`)
  })
  const own = new URL(url)
  own.username = role
  own.password = 'not-to-be-told'
  return own.href
}
