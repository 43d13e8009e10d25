/**
 * Promise: Any number of instances may migrate at once, and the service starts on no database that lacks a migration.
 * Go: `migrate.Up(ctx, db)` under pg_advisory_lock, as golang-migrate and goose do it
 * Held by: src/migrate.ts, src/platform/migrations.ts
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { expect, inject, test, type TestContext } from 'vitest'
import { makeDatabase } from '../../scripts/databases.ts'
import { eventually } from '../support/client.ts'

const root = join(import.meta.dirname, '../..')
const lockKey = `hashtext('migrations of drizzle')`

test.for([2, 8])(
  '%i instances at once: one migrates, the others wait and find nothing to do',
  async (count, t) => {
    const { url, sql } = await emptyDatabase(t)
    // Held until all of them wait, so that they do meet.
    const folder = await serviceWith(t, { things: 'create table things (id int); select pg_sleep(0.3)' })
    await sql(`select pg_advisory_lock(${lockKey})`)
    const runs = Array.from({ length: count }, () => migrate(t, folder, url))
    await Promise.all(runs.map((run) => run.says('waiting for another instance')))
    await sql(`select pg_advisory_unlock(${lockKey})`)

    const ended = await Promise.all(runs.map((run) => run.ended))

    expect(ended.map(({ code }) => code)).toEqual(ended.map(() => 0))
    const applied = ended.map(({ log }) => log.match(/"applied":(\[.*?\])/)?.[1])
    expect(applied.filter((names) => names === '["things"]')).toHaveLength(1)
    expect(applied.filter((names) => names === '[]')).toHaveLength(count - 1)
    expect(await sql('select count(*)::int as n from drizzle.__drizzle_migrations')).toEqual([{ n: 1 }])
  },
)

test('SIGTERM while it waits for another instance: exit 1 at once, and nobody waits in Postgres', async (t) => {
  const { url, sql } = await emptyDatabase(t)
  await sql(`select pg_advisory_lock(${lockKey})`)
  const waiting = migrate(t, await serviceWith(t, { things: 'create table things (id int)' }), url)
  await waiting.says('waiting for another instance')

  waiting.child.kill('SIGTERM')

  const { code, log } = await waiting.ended
  expect(code).toBe(1)
  expect(log).toContain('cannot migrate: SIGTERM received')
  await eventually(async () => (await backends(sql)) === 0)
})

test('SIGTERM while a migration runs: the statement ends in Postgres, and nothing of it stays', async (t) => {
  const { url, sql } = await emptyDatabase(t)
  const slow = 'create table things (id int);--> statement-breakpoint\nselect pg_sleep(60)'
  const running = migrate(t, await serviceWith(t, { things: slow }), url)
  await eventually(
    async () =>
      (await sql(`select 1 from pg_stat_activity where query like '%pg_sleep(60)' and state = 'active'`))
        .length > 0,
  )

  running.child.kill('SIGTERM')

  expect((await running.ended).code).toBe(1)
  await eventually(async () => (await backends(sql)) === 0)
  expect(await sql(`select to_regclass('things') as made`)).toEqual([{ made: null }])
})

test('another instance that does not end: exit 1 after STARTUP_TIMEOUT_MS, and the line says so', async (t) => {
  const { url, sql } = await emptyDatabase(t)
  await sql(`select pg_advisory_lock(${lockKey})`)
  const folder = await serviceWith(t, { things: 'create table things (id int)' })
  const waiting = migrate(t, folder, url, { STARTUP_TIMEOUT_MS: '1000' })

  const { code, log } = await waiting.ended

  expect(code).toBe(1)
  expect(log).toContain('cannot migrate: another instance has been migrating for longer than 1000 ms')
})

test('a start-up on a database that lacks migrations fails with what to run; migrated, it starts', async (t) => {
  const { url } = await emptyDatabase(t)
  const folder = await serviceWith(t, { first: 'create table first (id int)', second: 'select 1' })

  const refused = await start(t, folder, 'main', url).ended

  expect(refused.code).toBe(1)
  expect(refused.log).toMatch(
    /start-up failed: the database lacks migrations \(first, second\): run `npm run db:migrate`/,
  )
  expect((await migrate(t, folder, url).ended).code).toBe(0)
  const started = start(t, folder, 'main', url)
  await started.says('"listening"')
})

test('a database that is ahead of the code, as while a version is rolled out: it starts, and says so', async (t) => {
  const { url } = await emptyDatabase(t)
  await migrate(t, await serviceWith(t, { first: 'select 1', second: 'select 1' }), url).ended

  const older = start(t, await serviceWith(t, { first: 'select 1' }), 'main', url)

  await older.says('"listening"')
  expect(older.log()).toMatch(/"unknownMigrations":1,"msg":"the database is ahead of this version"/)
})

/** A database that nothing has been done to, and a connection to it. */
async function emptyDatabase(t: TestContext) {
  const database = await makeDatabase(inject('postgres').url)
  t.onTestFinished(() => database.drop())
  const client = new pg.Client({ connectionString: database.url, application_name: 'test' })
  client.on('error', () => undefined)
  await client.connect()
  t.onTestFinished(() => client.end())
  const sql = async (statement: string) => (await client.query<Record<string, unknown>>(statement)).rows
  return { url: database.url, sql }
}

/** How many programs that migrate are connected. */
async function backends(sql: (statement: string) => Promise<unknown[]>): Promise<number> {
  const rows = await sql(
    `select 1 from pg_stat_activity where datname = current_database() and application_name = 'migrate'`,
  )
  return rows.length
}

/** This service with other migrations: the same source, in a folder of the test's own. */
async function serviceWith(t: TestContext, migrations: Readonly<Record<string, string>>): Promise<string> {
  // Below the service, so that its packages are found from there.
  await mkdir(join(root, '.data'), { recursive: true })
  const folder = await mkdtemp(join(root, '.data/migrations-'))
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }))
  // prepare.ts and routes.ts know the tables of the service's own migrations: a plain service has neither.
  await cp(join(root, 'src'), join(folder, 'src'), { recursive: true })
  await writeFile(join(folder, 'src/prepare.ts'), 'export const prepare = async () => undefined\n')
  await cp(join(root, 'package.json'), join(folder, 'package.json'))
  await mkdir(join(folder, 'drizzle/meta'), { recursive: true })
  const entries = Object.keys(migrations).map((tag, idx) => ({
    idx,
    version: '7',
    when: idx + 1,
    tag,
    breakpoints: true,
  }))
  const journal = { version: '7', dialect: 'postgresql', entries }
  await writeFile(join(folder, 'drizzle/meta/_journal.json'), JSON.stringify(journal))
  for (const [tag, sql] of Object.entries(migrations))
    await writeFile(join(folder, `drizzle/${tag}.sql`), sql)
  return folder
}

const migrate = (t: TestContext, folder: string, url: string, env: Record<string, string> = {}) =>
  start(t, folder, 'migrate', url, env)

/** A program of the service as a process; it is killed when the test ends. */
function start(
  t: TestContext,
  folder: string,
  program: 'main' | 'migrate',
  url: string,
  env: Record<string, string> = {},
) {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), `src/${program}.ts`], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: url,
      PORT: '0',
      ADMIN_PORT: '0',
      UPLOAD_DIR: join(folder, 'uploads'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<{ code: number | null; log: string }>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, log: said }))
  })
  t.onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    child,
    ended,
    log: () => said,
    says: (words: string) => eventually(async () => said.includes(words), 20_000),
  }
}
