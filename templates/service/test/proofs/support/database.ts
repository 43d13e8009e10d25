import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { TestContext } from 'vitest'
import { openDatabase } from '../../../src/platform/database/database.ts'
import { createLog, type Log } from '../../../src/platform/telemetry/log.ts'
import { observedDatabase, type TestDatabase } from '../../support/database.ts'
import { startProxy, type Proxy } from './proxy.ts'

/** A pool that reaches its database through a proxy. */
export interface ProxiedDatabase extends TestDatabase {
  /** The proxy between `db` and Postgres, which can delay, lose and cut their messages. */
  readonly proxy: Proxy
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
): Promise<ProxiedDatabase> {
  const observed = await observedDatabase(t)
  const { ctx, url, observer } = observed
  const own = how.role === undefined ? url : await asRole(t, url, observer, how.role)
  if (how.actsAs !== undefined)
    await observer.query(`alter role ${new URL(own).username} set role = ${how.actsAs}`)
  const proxy = await startProxy(t, own)
  proxy.pooler = how.pooler ?? false
  const log = how.log ?? createLog({ level: 'silent', service: 'test' })
  const db = await openDatabase(ctx, log, { url: proxy.url, poolMax, applicationName: 'subject' })
  t.onTestFinished(() => db.close(ctx))
  return { ...observed, db, proxy }
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
