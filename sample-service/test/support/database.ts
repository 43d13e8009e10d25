import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { TestContext } from 'vitest'
import type { Context } from '../../src/context/context.ts'
import { testContext } from '../../src/context/test-context.ts'
import { openDatabase, type Database } from '../../src/platform/database/database.ts'
import { createLog, type Log } from '../../src/platform/telemetry/log.ts'
import { createDatabase } from './postgres.ts'
import { startProxy, type Proxy } from './proxy.ts'

/** The service's own pool on a database of the test's own, and a view of it from outside. */
export interface TestDatabase {
  readonly ctx: Context
  readonly db: Database
  /** What `db` is connected through: to hold back, lose and cut what they tell each other. */
  readonly proxy: Proxy
  /** A connection that `db` knows nothing of. */
  readonly observer: pg.Client
  /** How many of the backends of `db` are not idle: at work for a caller, or in a transaction. */
  active(): Promise<number>
  /** The one number that a select of the observer gives. */
  count(select: string): Promise<number>
}

/**
 * With an empty table `things (id int, name text)`. All is gone when the test is.
 * @param how.pooler behind what poses as a pooler, so that statements are cancelled with CancelRequests
 * @param how.log hears what `db` logs
 * @param how.role connects as a role of this test's own, made with these options
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

/** @returns `url` as seen by a role of the test's own */
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
