/**
 * Promise: Any number of instances may migrate at once, and the service starts on no database that lacks a migration.
 * Go: `migrate.Up` of golang-migrate, under pg_advisory_lock, with a ctx
 * Held by: src/migrate.ts, src/platform/migrations.ts
 */
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, inject, test, type TestContext } from 'vitest'
import { makeDatabase } from '../../scripts/databases.ts'
import { withCancel } from '../../src/context/context.ts'
import { testContext } from '../../src/context/test-context.ts'
import { openDatabase } from '../../src/platform/database.ts'
import { applyMigrations, requireMigrated } from '../../src/platform/migrations.ts'
import { eventually } from '../support/client.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { startProcess, type LogLine } from '../support/service.ts'

const lockKey = `hashtext('migrations of drizzle')`

test.for([2, 8])(
  '%i instances at once: one migrates, the others wait and find nothing to do',
  async (count, t) => {
    const { sql, instance } = await emptyDatabase(t)
    const folder = await migrations(t, { things: 'create table things (id int)' })
    const ctx = testContext(t)
    const instances = await Promise.all(Array.from({ length: count }, instance))
    // Held until all of them wait, so that they do meet.
    await sql(`select pg_advisory_lock(${lockKey})`)
    const running = instances.map(({ log, db }) => applyMigrations(ctx, log, db, { folder, waitMs: 20_000 }))
    const waiting = 'waiting for another instance that migrates'
    await eventually(async () =>
      instances.every(({ log }) => log.lines.some(({ message }) => message === waiting)),
    )
    await sql(`select pg_advisory_unlock(${lockKey})`)

    // The lock is a connection's: an instance that is done closes it.
    const applied = await Promise.all(
      running.map(async (names, i) => {
        const done = await names
        await instances[i]?.db.close(ctx)
        return done
      }),
    )

    expect(applied.flat()).toEqual(['things'])
    expect(await sql('select count(*)::int as n from drizzle.__drizzle_migrations')).toEqual([{ n: 1 }])
  },
)

test('a context that ends while a migration runs ends the statement in Postgres, and nothing of it stays', async (t) => {
  const { sql, instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const ctx = withCancel(testContext(t))
  const slow = 'create table things (id int);--> statement-breakpoint\nselect pg_sleep(60)'
  const folder = await migrations(t, { things: slow })
  const running = applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })
  running.catch(() => undefined)
  const asleep = `select 1 from pg_stat_activity 
    where query like '%pg_sleep(60)' and state = 'active' and pid <> pg_backend_pid()`
  await eventually(async () => (await sql(asleep)).length === 1)

  ctx.cancel(new Error('enough'))

  await expect(running).rejects.toThrow('enough')
  expect(await sql(asleep)).toEqual([])
  await eventually(async () => (await sql(`select 1 from pg_locks where locktype = 'advisory'`)).length === 0)
  expect(await sql(`select to_regclass('things') as made`)).toEqual([{ made: null }])
})

test('another instance that does not end is waited for no longer than was said', async (t) => {
  const { sql, instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  await sql(`select pg_advisory_lock(${lockKey})`)
  const folder = await migrations(t, { things: 'select 1' })

  await expect(applyMigrations(testContext(t), log, db, { folder, waitMs: 200 })).rejects.toThrow(
    'another instance has been migrating for longer than 200 ms (STARTUP_TIMEOUT_MS)',
  )
})

test('npm run db:migrate, ended by SIGTERM while it waits: exit 1, one line, and nobody left in Postgres', async (t) => {
  const { url, sql } = await emptyDatabase(t)
  await sql(`select pg_advisory_lock(${lockKey})`)
  const { child, exited, log } = startProcess(t, { program: 'src/migrate.ts', env: { DATABASE_URL: url } })
  const waits = ({ msg }: LogLine): boolean => msg.includes('waiting for another instance')
  await eventually(async () => log.some(waits), 20_000)

  child.kill('SIGTERM')

  expect(await exited).toEqual({ code: 1, signal: null })
  expect(log.at(-1)?.msg).toContain('cannot migrate: SIGTERM received')
  const connected = `select 1 from pg_stat_activity where datname = current_database() and application_name = 'migrate'`
  await eventually(async () => (await sql(connected)).length === 0)
})

test('npm run db:migrate, ended by SIGTERM while the database does not answer, is gone as soon', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1')
  t.onTestFinished(() => void silent.close())
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const env = { DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/none` }
  const { child, exited, log } = startProcess(t, { program: 'src/migrate.ts', env })
  await once(silent, 'connection')

  child.kill('SIGTERM')

  expect(await exited).toEqual({ code: 1, signal: null })
  expect(log.at(-1)?.msg).toContain('cannot migrate: SIGTERM received')
})

test('a database that lacks migrations is refused with what to run, and taken when it was run', async (t) => {
  const { instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const ctx = testContext(t)
  const folder = await migrations(t, { first: 'select 1', second: 'select 1' })

  await expect(requireMigrated(ctx, log, db, folder)).rejects.toThrow(
    'the database lacks migrations (first, second): run `npm run db:migrate`, or in the image `node dist/migrate.js`',
  )

  await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })
  await requireMigrated(ctx, log, db, folder)
  expect(log.lines).toEqual([])
})

test('a database that is ahead, as while a version is rolled out: the service starts, and says so', async (t) => {
  const { url, instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  // Newer than all that this service has, whatever it has: then none of its own are looked for.
  const folder = await migrations(t, { newer: 'select 1' }, Date.UTC(2100, 0))
  await applyMigrations(testContext(t), log, db, { folder, waitMs: 1_000 })

  const service = startProcess(t, { env: { DATABASE_URL: url } })

  const line = await service.line(({ msg }) => msg === 'the database is ahead of this version')
  expect(line).toMatchObject({ level: 'warn', unknownMigrations: 1 })
})

/** A database that nothing has been done to, a connection to it, and instances that each have their own. */
async function emptyDatabase(t: TestContext) {
  const database = await makeDatabase(inject('postgres').url)
  t.onTestFinished(() => database.drop())
  const client = new pg.Client({ connectionString: database.url, application_name: 'test' })
  // The database is dropped while a failed test's connection may still be open.
  client.on('error', () => undefined)
  await client.connect()
  t.onTestFinished(() => client.end())
  const sql = async (statement: string) => (await client.query<Record<string, unknown>>(statement)).rows
  const instance = async () => {
    const log = recordedLog()
    const options = { url: database.url, poolMax: 1, applicationName: 'instance' }
    return { log, db: await openDatabase(testContext(t), log, options) }
  }
  return { url: database.url, sql, instance }
}

/** A folder of migrations by their names, as drizzle-kit writes it, the first one made `at` that time. */
async function migrations(t: TestContext, byName: Readonly<Record<string, string>>, at = 1): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'meta'))
  const entries = Object.keys(byName).map((tag, idx) => ({
    idx,
    version: '7',
    when: at + idx,
    tag,
    breakpoints: true,
  }))
  await writeFile(
    join(folder, 'meta/_journal.json'),
    JSON.stringify({ version: '7', dialect: 'postgresql', entries }),
  )
  for (const [name, sql] of Object.entries(byName)) await writeFile(join(folder, `${name}.sql`), sql)
  return folder
}
