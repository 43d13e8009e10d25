import pg from 'pg'
import type { TestContext } from 'vitest'
import type { Context } from '../../src/context/context.ts'
import { testContext } from '../../src/context/test-context.ts'
import { openDatabase, type Database } from '../../src/platform/database.ts'
import { createLog } from '../../src/platform/log.ts'
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
  /** How many of the backends of `db` are not idle: at work, or in a transaction. */
  active(): Promise<number>
  /** The one number that a select of the observer gives. */
  count(select: string): Promise<number>
}

/** With an empty table `things (id int, name text)`. All is gone when the test is. */
export async function openTestDatabase(t: TestContext, poolMax = 2): Promise<TestDatabase> {
  const ctx = testContext(t)
  const { url, drop } = await createDatabase()
  t.onTestFinished(drop)
  const observer = new pg.Client({ connectionString: url, application_name: 'test' })
  await observer.connect()
  t.onTestFinished(() => observer.end())
  await observer.query('create table things (id int primary key deferrable initially immediate, name text)')
  const proxy = await startProxy(t, url)
  const log = createLog({ level: 'silent', service: 'test' })
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
        where application_name = 'subject' and datname = current_database() and state <> 'idle'`),
  }
}
