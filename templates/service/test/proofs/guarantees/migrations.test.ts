/**
 * Promise: Several instances may migrate at once, and the service does not start on a database that lacks a migration.
 * Go: `migrate.Up` of golang-migrate, under pg_advisory_lock, with a ctx
 * Held by: src/migrate.ts, src/platform/database/migrations.ts, src/platform/database/journal.ts, src/platform/database/grants.ts
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, inject, test, type TestContext } from 'vitest'
import { makeDatabase } from '../../../scripts/postgres/databases.ts'
import { withCancel } from '../../../src/context/context.ts'
import { testContext } from '../../../src/context/test-context.ts'
import { openDatabase } from '../../../src/platform/database/database.ts'
import {
  applyMigrations,
  migrationsFolder,
  requireMigrated,
} from '../../../src/platform/database/migrations.ts'
import { schemas } from '../../../src/platform/schemas.ts'
import { eventually } from '../../support/client.ts'
import { startProxy } from '../support/proxy.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { startProcess, type LogLine } from '../../support/service.ts'

const lockKey = `hashtext('migrations of drizzle')`

test.for([2, 8])(
  'of %i instances that start at once, one migrates and the others wait and find nothing to do',
  async (count, t) => {
    const { sql, instance } = await emptyDatabase(t)
    const folder = await migrations(t, { things: 'create table things (id int)' })
    const ctx = testContext(t)
    const instances = await Promise.all(Array.from({ length: count }, instance))
    // Held until all of them wait, so that they really compete.
    await sql(`select pg_advisory_lock(${lockKey})`)
    const running = instances.map(({ log, db }) => applyMigrations(ctx, log, db, { folder, waitMs: 20_000 }))
    const waiting = 'waiting for another instance that migrates'
    await eventually(async () =>
      instances.every(({ log }) => log.lines.some(({ message }) => message === waiting)),
    )
    await sql(`select pg_advisory_unlock(${lockKey})`)

    const applied = await Promise.all(running)

    expect(applied.flat()).toEqual(['things'])
    expect(await sql('select count(*)::int as n from drizzle.__drizzle_migrations')).toEqual([{ n: 1 }])
    // The connections are still open, like those of a pooler, which may lend them to the next instance.
    expect(await sql(`select from pg_locks where locktype = 'advisory'`)).toEqual([])
  },
)

test('a migration that is older than an applied one is reported as missing, and applied', async (t) => {
  const { sql, instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const ctx = testContext(t)
  const later = { later: 'create table later (id int)' }
  await applyMigrations(ctx, log, db, { folder: await migrations(t, later, [2_000]), waitMs: 1_000 })
  const both = { earlier: 'create table earlier (id int)', ...later }
  const folder = await migrations(t, both, [1_000, 2_000])

  await expect(requireMigrated(ctx, log, db, folder)).rejects.toThrow(
    'the database lacks migrations (earlier): ',
  )
  expect(await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })).toEqual(['earlier'])

  await requireMigrated(ctx, log, db, folder)
  expect(await sql(`select to_regclass('earlier') is not null as made`)).toEqual([{ made: true }])
  expect(await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })).toEqual([])
})

test('migrations of two branches are applied in the order of the journal, even if their times are not in order', async (t) => {
  const { instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const ctx = testContext(t)
  const tables = { first: 'create table a (id int)', second: 'alter table a add b int', third: 'select 1' }
  // The second and the third are of the same millisecond.
  const folder = await migrations(t, tables, [3_000, 1_000, 1_000])

  expect(await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })).toEqual(['first', 'second', 'third'])
  expect(await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })).toEqual([])
  await requireMigrated(ctx, log, db, folder)
})

test('two migrations with the same text are different; a migration whose time was corrected in the journal is the same', async (t) => {
  const { instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const ctx = testContext(t)
  const folder = await migrations(t, { first: 'select 1', second: 'select 1' }, [1, 2])
  await applyMigrations(ctx, log, db, {
    folder: await migrations(t, { first: 'select 1' }, [1]),
    waitMs: 1_000,
  })

  expect(await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })).toEqual(['second'])

  const mended = await migrations(t, { first: 'select 1', second: 'select 1' }, [1, 3])
  expect(await applyMigrations(ctx, log, db, { folder: mended, waitMs: 1_000 })).toEqual([])
  const onWindows = await migrations(t, { first: 'select\n1' }, [7])
  await applyMigrations(ctx, log, db, { folder: onWindows, waitMs: 1_000 })
  await requireMigrated(ctx, log, db, await migrations(t, { first: 'select\r\n1' }, [7]))
})

test('the service and npm run db:migrate refuse a migration that was edited after it had been applied, and name it', async (t) => {
  const { instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const ctx = testContext(t)
  const folder = await migrations(t, { first: 'select 1', second: 'select 2' })
  await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })
  const edited = await migrations(t, { first: 'select 1', second: 'select 22' })
  const refusal = 'migrations were edited after they had been applied (second): '

  await expect(applyMigrations(ctx, log, db, { folder: edited, waitMs: 1_000 })).rejects.toThrow(refusal)
  await expect(requireMigrated(ctx, log, db, edited)).rejects.toThrow(refusal)
})

test('a migration that fails is named, with the error of Postgres, and those before it are rolled back', async (t) => {
  const { sql, instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const folder = await migrations(t, {
    good: 'create table good (id int)',
    bad: 'create table good (id int)',
  })

  await expect(applyMigrations(testContext(t), log, db, { folder, waitMs: 1_000 })).rejects.toThrow(
    'the migration bad failed: relation "good" already exists',
  )
  expect(await sql(`select to_regclass('good') as made`)).toEqual([{ made: null }])
})

test('a role that may not create schemas can migrate if they exist; otherwise the error names the missing grant', async (t) => {
  const { url, sql, as } = await emptyDatabase(t)
  const ctx = testContext(t)
  const folder = await migrations(t, { things: 'create table things (id int)' })
  const { role, log, db } = await as(url)
  const apply = () => applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })

  await expect(apply()).rejects.toThrow(/grant create on database tmp_\w+ to migrator_/)
  await sql('create schema drizzle')
  await expect(apply()).rejects.toThrow(`grant usage, create on schema drizzle to ${role}`)
  await sql(`grant usage, create on schema drizzle to ${role}`)
  await expect(apply()).rejects.toThrow(
    `the migration things failed: permission denied for schema public; have the owner run: grant usage, create on schema public to ${role}`,
  )
  await sql(`grant create on schema public to ${role}`)

  expect(await apply()).toEqual(['things'])
})

test.for([
  ['table', 'create table theirs (id int primary key)', 'create table ours (id int references theirs)'],
  ['view', 'create view theirs as select 1 as id', 'create table ours as select * from theirs'],
  ['sequence', 'create sequence theirs', "create table ours (id int); select nextval('theirs')"],
  ['schema', 'create schema "Theirs too"', 'create table "Theirs too".ours (id int)'],
] as const)(
  'a migration that lacks a grant on a %s of another role names the grant: %s',
  async ([, theirs, ours], t) => {
    const { url, sql, as } = await emptyDatabase(t)
    const ctx = testContext(t)
    const { role, log, db } = await as(url)
    await sql(`create schema drizzle; grant usage, create on schema drizzle, public to ${role}; ${theirs}`)
    const folder = await migrations(t, { ours })
    const apply = () => applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })

    const failure = await apply().catch((error: unknown) => String(error))

    const [, grant = ''] = /; have the owner run: (grant .*)$/.exec(String(failure)) ?? []
    await sql(grant)
    expect(await apply()).toEqual(['ours'])
  },
)

test('if the role of a service may not read the applied migrations, the error names the missing grant', async (t) => {
  const { url, instance, as } = await emptyDatabase(t)
  const owner = await instance()
  const ctx = testContext(t)
  const folder = await migrations(t, { things: 'create table things (id int)' })
  await applyMigrations(ctx, owner.log, owner.db, { folder, waitMs: 1_000 })
  const { role, log, db } = await as(url)

  await expect(requireMigrated(ctx, log, db, folder)).rejects.toThrow(
    `grant usage on schema drizzle to ${role}; grant select on drizzle.__drizzle_migrations to ${role}`,
  )
})

test('npm run db:migrate ends after MIGRATE_TIMEOUT_MS, whatever it waits for, with exit 1 and one line', async (t) => {
  const { url, sql } = await emptyDatabase(t)
  await sql(`select pg_advisory_lock(${lockKey})`)
  const env = { DATABASE_URL: url, MIGRATE_TIMEOUT_MS: '1500' }
  const { exited, log } = startProcess(t, { program: 'src/migrate.ts', env })

  expect(await exited).toEqual({ code: 1, signal: null })
  expect(log.at(-1)?.msg).toBe(
    'cannot migrate: it took longer than 1500 ms (MIGRATE_TIMEOUT_MS): nothing was applied',
  )
})

test('a context that ends during a migration ends its statement in Postgres, and the migration is rolled back', async (t) => {
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

test('an instance waits at most the configured time for another that migrates, and logs its pid', async (t) => {
  const { sql, instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const [holder] = await sql(`select pg_backend_pid() as pid, pg_advisory_lock(${lockKey})`)
  const folder = await migrations(t, { things: 'select 1' })

  await expect(applyMigrations(testContext(t), log, db, { folder, waitMs: 4_500 })).rejects.toThrow(
    `another instance (pid ${String(holder?.['pid'])} of Postgres) has been migrating for longer than 4500 ms (STARTUP_TIMEOUT_MS)`,
  )

  // After one second and after four.
  const line = {
    level: 'info',
    message: 'waiting for another instance that migrates',
    fields: { pid: holder?.['pid'] },
  }
  expect(log.lines).toEqual([line, line])
})

test.for([
  ['create table a (id int); commit; select 1', 'COMMIT'],
  ['create table a (id int)--> statement-breakpoint\n  Commit', 'COMMIT'],
  ["insert into t values ('it''s'); -- for now\n /* as is */ end;", 'END'],
  ["select E'it\\'s'; rollback; select ''", 'ROLLBACK'],
  ['select 1; abort', 'ABORT'],
  [`prepare transaction 'kept'`, 'PREPARE TRANSACTION'],
] as const)(
  'a migration that ends its transaction is refused by name before anything is applied: %s',
  async ([text, word], t) => {
    const { sql, instance } = await emptyDatabase(t)
    const { log, db } = await instance()
    const folder = await migrations(t, { good: 'create table good (id int)', bad: text })

    await expect(applyMigrations(testContext(t), log, db, { folder, waitMs: 1_000 })).rejects.toThrow(
      `the migration bad contains ${word}, and all migrations are one transaction: remove it`,
    )

    expect(await sql(`select to_regclass('good') as made`)).toEqual([{ made: null }])
  },
)

test('a migration may contain the word COMMIT in a literal, a comment, a name and a function, and roll back to a savepoint', async (t) => {
  const { instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const folder = await migrations(t, {
    fine: `-- ; commit;
      /* ; rollback; */ create table "; commit" (id int, commit text default '; commit;'); savepoint a;
      select case when true then 1 end; rollback to a; rollback work to savepoint a;
      do $$ begin perform 1; end $$;
      create procedure later() language plpgsql as $body$ begin perform 1; commit; end; $body$;
      create function one() returns int begin atomic select 2; select 1; end;`,
  })

  const apply = applyMigrations(testContext(t), log, db, { folder, waitMs: 1_000 })

  await expect(apply).resolves.toEqual(['fine'])
})

test('npm run db:migrate that gets SIGTERM while it waits exits with 1 and prints one line, and leaves no backend in Postgres', async (t) => {
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

test('npm run db:migrate that gets SIGTERM while the database does not answer exits at once, with 1', async (t) => {
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

test('npm run db:migrate tells Postgres that it closes the connection', async (t) => {
  const { url } = await emptyDatabase(t)
  const proxy = await startProxy(t, url)
  const terminate = Buffer.from([0x58, 0, 0, 0, 4])
  let ended = 0
  proxy.toServer = (_link, bytes) => {
    if (bytes.equals(terminate)) ended++
    return undefined
  }
  const { exited } = startProcess(t, { program: 'src/migrate.ts', env: { DATABASE_URL: proxy.url } })

  expect(await exited).toEqual({ code: 0, signal: null })
  expect(ended).toBe(1)
})

test('the service refuses a database that lacks migrations, names the command to run, and starts after it', async (t) => {
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

test('the service accepts a newer schema, as during a rollout, with a warning', async (t) => {
  const { url, instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  const ctx = testContext(t)
  // The service lacks none of its own migrations.
  await applyMigrations(ctx, log, db, { folder: migrationsFolder, schemas: schemas(), waitMs: 10_000 })
  const folder = await migrations(t, { newer: 'select 1' }, [Date.UTC(2100, 0)])
  await applyMigrations(ctx, log, db, { folder, waitMs: 1_000 })

  const service = startProcess(t, { env: { DATABASE_URL: url } })

  const line = await service.line(({ msg }) => msg === 'the database is ahead of this version')
  expect(line).toMatchObject({ level: 'warn', unknownMigrations: 1 })
})

test('npm run check and npm run db:generate refuse a journal whose times are not in order', async (t) => {
  const root = join(import.meta.dirname, '../../..')
  // Inside of the service, where its dependencies are found.
  await mkdir(join(root, '.data'), { recursive: true })
  const copy = await mkdtemp(join(root, '.data/journal-'))
  t.onTestFinished(() => rm(copy, { recursive: true, force: true }))
  const folder = await migrations(t, { first: 'select 1', second: 'select 1' }, [7, 3])
  await cp(folder, join(copy, 'drizzle'), { recursive: true })
  await cp(join(root, 'drizzle.config.ts'), join(copy, 'drizzle.config.ts'))
  const kit = join(dirname(createRequire(import.meta.url).resolve('drizzle-kit')), 'bin.cjs')

  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest
  expect(scripts['db:generate']).toContain('drizzle-kit generate')
  expect(scripts['check']).toContain('scripts/dev/check.ts')
  expect(await readFile(join(root, 'scripts/dev/check.ts'), 'utf8')).toContain(
    "passes(drizzleKitProgram(root), 'check')",
  )
  for (const command of ['check', 'generate']) {
    const failure = promisify(execFile)(process.execPath, [kit, command], { cwd: copy })
    await expect(failure).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'second is not younger than first before it: raise its "when" above 7',
      ) as string,
    })
  }
})

test('a migration that the journal does not list is refused by db:migrate and by npm run check, not by db:generate', async (t) => {
  const { copy, kit } = await copyWithJournal(t, [7, 8])
  const folder = join(copy, 'drizzle')
  await writeFile(join(folder, '0001_hand.sql'), 'create table hand (id int)')
  const reason =
    '0001_hand.sql is not in drizzle/meta/_journal.json: make it with npm run db:generate -- --custom'
  const { sql, instance } = await emptyDatabase(t)
  const { log, db } = await instance()

  const migrated = applyMigrations(testContext(t), log, db, { folder, waitMs: 1_000 })
  await expect(migrated).rejects.toThrow(reason)
  expect(await sql(`select to_regclass('drizzle.__drizzle_migrations') is null as nothing`)).toEqual([
    { nothing: true },
  ])

  const checked = promisify(execFile)(process.execPath, [kit, 'check'], { cwd: copy })
  await expect(checked).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(reason) as string })
  await mkdir(join(copy, 'src/things'), { recursive: true })
  const schema = `import { pgTable, text } from 'drizzle-orm/pg-core'\nexport const things = pgTable('things', { id: text() })`
  await writeFile(join(copy, 'src/things/things.schema.ts'), schema)
  const custom = [kit, 'generate', '--custom', '--name', 'mine']
  await promisify(execFile)(process.execPath, custom, { cwd: copy })
  expect(await readFile(join(folder, 'meta/_journal.json'), 'utf8')).toContain('_mine')
})

test('npm run check prints a type error, and not that drizzle/ has no fault', async (t) => {
  const { root, copy } = await copyWithJournal(t, [7, 8])
  for (const path of ['scripts', 'generators/engine'])
    await cp(join(root, path), join(copy, path), { recursive: true })
  await mkdir(join(copy, 'src/browser'), { recursive: true })
  await writeFile(join(copy, 'package.json'), '{ "type": "module" }')
  await writeFile(join(copy, 'src/browser/page.js'), '')
  const options = { skipLibCheck: true, types: [], noEmit: true, allowJs: true }
  const config = (file: string): string => JSON.stringify({ compilerOptions: options, files: [file] })
  await writeFile(join(copy, 'src/browser/tsconfig.json'), config('page.js'))
  await writeFile(join(copy, 'tsconfig.json'), config('src/port.ts'))
  await writeFile(join(copy, 'src/port.ts'), "export const port: number = '3000'\n")

  const check = ['--import', './scripts/tsx.js', 'scripts/dev/check.ts']
  await expect(promisify(execFile)(process.execPath, check, { cwd: copy })).rejects.toMatchObject({
    code: 1,
    stdout: "src/port.ts(1,14): error TS2322: Type 'string' is not assignable to type 'number'.\n",
    stderr: '',
  })
}, 120_000)

test('a broken journal is named by db:migrate and by npm run check', async (t) => {
  const { copy, kit } = await copyWithJournal(t, [7, 8])
  const { instance } = await emptyDatabase(t)
  const { log, db } = await instance()
  for (const text of ['{ "entries": [<<<<<<< HEAD', '{}']) {
    await writeFile(join(copy, 'drizzle/meta/_journal.json'), text)
    const options = { folder: join(copy, 'drizzle'), waitMs: 1_000 }
    const migrated = applyMigrations(testContext(t), log, db, options)
    await expect(migrated).rejects.toThrow('drizzle/meta/_journal.json is broken: ')
    const checked = promisify(execFile)(process.execPath, [kit, 'check'], { cwd: copy })
    await expect(checked).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('drizzle/meta/_journal.json is broken: ') as string,
    })
  }
})

test('npm run db:generate refuses a journal whose last time is in the future, because the next one would be earlier', async (t) => {
  const inAnHour = Date.now() + 3_600_000
  const { copy, kit } = await copyWithJournal(t, [7, inAnHour])
  const failure = promisify(execFile)(process.execPath, [kit, 'generate'], { cwd: copy })
  await expect(failure).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the time of second has not come yet') as string,
  })
})

/** The files of this service that drizzle-kit reads, with two migrations made at these times. */
async function copyWithJournal(t: TestContext, at: readonly number[]) {
  const root = join(import.meta.dirname, '../../..')
  // Inside of the service, where its dependencies are found.
  await mkdir(join(root, '.data'), { recursive: true })
  const copy = await mkdtemp(join(root, '.data/journal-'))
  t.onTestFinished(() => rm(copy, { recursive: true, force: true }))
  const folder = await migrations(t, { first: 'select 1', second: 'select 1' }, at)
  await cp(folder, join(copy, 'drizzle'), { recursive: true })
  await cp(join(root, 'drizzle.config.ts'), join(copy, 'drizzle.config.ts'))
  const kit = join(dirname(createRequire(import.meta.url).resolve('drizzle-kit')), 'bin.cjs')
  return { root, copy, kit }
}

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>
}

/** An empty database, a connection to it, and a function that starts instances with a connection each. */
async function emptyDatabase(t: TestContext) {
  const database = await makeDatabase(inject('postgres').url)
  t.onTestFinished(() => database.drop())
  const client = new pg.Client({ connectionString: database.url, application_name: 'test' })
  // The database is dropped while a failed test's connection may still be open.
  client.on('error', () => undefined)
  await client.connect()
  t.onTestFinished(() => client.end())
  const sql = async (statement: string) => (await client.query<Record<string, unknown>>(statement)).rows
  const instance = async (url = database.url) => {
    const log = recordedLog()
    const ctx = testContext(t)
    const db = await openDatabase(ctx, log, { url, poolMax: 1, applicationName: 'instance' })
    t.onTestFinished(() => db.close(ctx))
    return { log, db }
  }
  /** An instance whose role may do nothing but connect. */
  const as = async (owner: string) => {
    const role = `migrator_${randomUUID().replaceAll('-', '')}`
    await sql(`create role ${role} login password 'of-a-test'`)
    t.onTestFinished(async () => {
      await sql(`drop owned by ${role}; drop role ${role}`)
    })
    const url = new URL(owner)
    Object.assign(url, { username: role, password: 'of-a-test' })
    return { role, ...(await instance(url.href)) }
  }
  return { url: database.url, sql, instance, as }
}

/** A folder of migrations as drizzle-kit writes it, by name, made at these times; one after the other if not given. */
async function migrations(
  t: TestContext,
  byName: Readonly<Record<string, string>>,
  at: readonly number[] = [],
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'meta'))
  const entries = Object.keys(byName).map((tag, idx) => ({
    idx,
    version: '7',
    when: at[idx] ?? idx + 1,
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
