import { spawnSync } from 'node:child_process'
import { appendFile, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { keptUrl } from '../../templates/service/scripts/postgres/address.ts'
import { leftovers } from '../support/create.ts'
import {
  anyPorts,
  devCommand,
  expectOrderlyStop,
  isRunning,
  serverPid,
  startDev,
  untilListening,
  untilSaid,
  type Dev,
} from '../support/dev.ts'
import { linkPackage } from '../support/service-copy.ts'

const whole = leftovers()
afterAll(whole.remove)

let dev: Dev
/** Each test begins, and ends, with a service that listens; what `.env` holds then is the test's own. */
beforeAll(async () => {
  dev = await startDev(whole.atEnd, { without: ['graphile-worker'] })
  await untilListening(dev, 1)
})
beforeEach(() => void (dev.lines.length = 0))

async function writeEnv(text: string): Promise<void> {
  await writeFile(join(dev.dir, '.env'), text)
}

test('a change restarts the service; if it does not start, dev reports that and waits for the next change', async () => {
  const routes = join(dev.dir, 'src/routes.ts')
  const text = await readFile(routes, 'utf8')

  await appendFile(routes, '// a change\n')
  await untilListening(dev, 1)

  await appendFile(routes, 'this is not TypeScript\n')
  await untilSaid(dev, 'exit code 1; waiting for a change')
  expect(dev.lines.join('\n')).toMatch(/^src\/routes\.ts:\d+:\d+: ERROR: Expected ";" but found "is"$/m)
  expect(dev.lines.join('\n')).not.toMatch(/node:internal|node_modules|Node\.js v/)

  await writeFile(routes, `${text}import './nowhere.ts'\n`)
  await untilSaid(dev, 'dev: src/routes.ts imports src/nowhere.ts, which is missing; waiting for a change')

  // As an editor saves: a new file replaces the old one.
  const saved = join(dev.dir, 'src/sedYZ66uq')
  await writeFile(saved, text)
  await rename(saved, routes)
  await untilListening(dev, 2)
  await untilSaid(dev, /restarted in \d+ ms \(src\/routes\.ts\)/)
  expect(dev.lines.join('\n')).not.toContain('sedYZ66uq')
  expect(dev.services.filter(isRunning)).toHaveLength(1)
})

test('a PostgreSQL that was killed is started again at the next change', async () => {
  const killed = await serverPid(dev)

  process.kill(killed, 'SIGKILL')
  await untilSaid(dev, 'dev: PostgreSQL ended: the next restart starts it again')
  await appendFile(join(dev.dir, 'src/routes.ts'), '// a change\n')

  await untilListening(dev, 1)
  expect(await serverPid(dev)).not.toBe(killed)
})

test('a missing folder does not end dev, which continues when it is back', async () => {
  const missing = { drizzle: 'drizzle/meta/_journal.json', src: 'src/main.ts' }
  for (const [index, [folder, file]] of Object.entries(missing).entries()) {
    const path = join(dev.dir, folder)
    await rename(path, `${path}2`)
    await untilSaid(dev, `dev: ${file} is missing; waiting for a change`)
    expect(dev.services.filter(isRunning)).toEqual([])

    await rename(`${path}2`, path)
    await untilListening(dev, index + 1)
  }
})

test('an .env that cannot be read or has a NUL byte does not end dev', async () => {
  const path = join(dev.dir, '.env')

  await rm(path)
  await mkdir(path)
  await untilSaid(dev, /dev: \.env cannot be read: .*EISDIR.*; waiting for a change/)

  await rm(path, { recursive: true })
  await writeEnv(`${anyPorts}NAME=a\0b\n`)
  await untilSaid(dev, 'dev: .env has a NUL byte in line 3: remove it; waiting for a change')

  dev.lines.length = 0
  await writeEnv(anyPorts)
  await untilListening(dev, 1)
})

test('a migration without an entry in the journal is named, and so is a broken journal', async () => {
  const migration = join(dev.dir, 'drizzle/0001_hand.sql')
  const journal = join(dev.dir, 'drizzle/meta/_journal.json')
  const text = await readFile(journal, 'utf8')

  await writeFile(migration, 'create table hand (id int)')
  await untilSaid(
    dev,
    'dev: cannot migrate: 0001_hand.sql is not in drizzle/meta/_journal.json: make it with npm run db:generate -- --custom',
  )
  await rm(migration)
  await untilListening(dev, 1)

  await writeFile(journal, text.slice(0, -3))
  await untilSaid(
    dev,
    /dev: cannot migrate: .+drizzle\/meta\/_journal\.json is broken: .*; waiting for a change/,
  )
  await writeFile(journal, text)
  await untilListening(dev, 2)
})

test('a start that dev ends because of a change is not shown as a fault', async () => {
  await writeEnv(`${anyPorts}LOG_FORMAT=pretty\n`)
  await untilSaid(dev, 'listens, after')
  const path = join(dev.dir, 'src/prepare.ts')
  const text = await readFile(path, 'utf8')
  dev.lines.length = 0

  // Reports that it runs, then hangs until dev ends the start.
  const slow = `
  import { once } from 'node:events'
  export async function prepare(ctx: Context): Promise<void> {
    console.log('preparing')
    await once(ctx.signal, 'abort')
    throw ctx.signal.reason
  }
  import type { Context } from './context/context.ts'`
  await writeFile(path, slow)
  await untilSaid(dev, /^preparing$/m)
  await writeFile(path, text)

  await untilSaid(dev, /restarted in \d+ ms \(src\/prepare\.ts\)/)
  expect(dev.lines.join('\n')).not.toMatch(/SIGTERM|start-up failed|waiting for a change/)
})

test('each start reads .env, and a change of it restarts the service', async () => {
  await writeEnv('PORT=eighty\nADMIN_PORT=0\n')
  await untilSaid(dev, "not 'eighty'")
  await untilSaid(dev, 'exit code 1; waiting for a change')

  await writeEnv(`${anyPorts}LOG_LEVEL=debug\n`)
  await untilListening(dev, 1)
  expect(dev.lines.join('\n')).toContain('"level":"debug"')
})

test('it says where DATABASE_URL is from: the shell may export that of another project', async () => {
  const url = await keptUrl(await realpath(join(dev.dir, '.data/postgres')))
  await writeEnv(`${anyPorts}DATABASE_URL=${url}\n`)
  await untilListening(dev, 1)
  await untilSaid(dev, /database +127\.0\.0\.1:\d+\/postgres \(DATABASE_URL of \.env\)/)

  dev.lines.length = 0
  await writeEnv(anyPorts)
  await untilListening(dev, 1)
  await untilSaid(dev, /database +127\.0\.0\.1:\d+\/postgres$/m)
})

test('it waits for a port that another program uses', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  // As another dev of this folder writes it.
  const devFile = join(dev.dir, '.data/dev.json')
  const others = JSON.stringify({ pid: process.pid, port, adminPort: 0 })
  await writeFile(devFile, others)
  await writeEnv(`PORT=${port}\nADMIN_PORT=0\n`)
  await untilSaid(
    dev,
    new RegExp(`port ${port} is taken by .+ \\(pid ${process.pid}\\); waiting until it is free`),
  )
  expect(await readFile(devFile, 'utf8')).toBe(others)
  other.close()
  await untilListening(dev, 1)
})

test('it warns of .env and of a schema without a migration', async () => {
  await writeEnv(`${anyPorts}DATABSE_URL=x\nFOO 1\n`)
  await untilSaid(dev, 'warning: .env line 4 is not NAME=value')
  await untilSaid(dev, 'warning: nothing reads DATABSE_URL of .env: rename it to DATABASE_URL')

  await mkdir(join(dev.dir, 'src/words'))
  const schema = "import { integer, pgTable } from 'drizzle-orm/pg-core'\n"
  const table = "export const words = pgTable('words', { id: integer('id') })\n"
  await writeFile(join(dev.dir, 'src/words/words.schema.ts'), schema + table)
  await untilSaid(
    dev,
    /warning: the schema differs from the last migration \(words\): run npm run db:generate/,
  )
  dev.lines.length = 0
  await rm(join(dev.dir, 'src/words'), { recursive: true })
  await untilListening(dev, 1)
})

test('a second one in the same folder names the first', () => {
  const env = { PATH: process.env['PATH'] }
  const { status, stderr } = spawnSync(process.execPath, devCommand, { cwd: dev.dir, env, encoding: 'utf8' })
  const message = `dev: npm run dev of this folder already runs (pid ${dev.child.pid}): stop it first\n`
  expect({ status, stderr }).toEqual({ status: 1, stderr: message })
})

test('after `add job` it waits for the install, then applies the migrations and goes on', async () => {
  const add = ['--import', 'tsx', 'generators/engine/add.ts', 'job', 'send-invoice', '--yes']
  const added = spawnSync(process.execPath, add, { cwd: dev.dir, encoding: 'utf8' })
  expect(added.status, added.stdout + added.stderr).toBe(0)
  await untilSaid(
    dev,
    /graphile-worker is not installed, and src\/\S+\.ts imports it: waiting for npm install/,
  )
  await untilListening(dev, 0)
  expect(dev.lines.join('\n')).not.toContain('at packageResolve')

  await linkPackage(dev.dir, 'graphile-worker')
  await untilListening(dev, 1)
  expect(dev.lines.join('\n')).toMatch(/migrations applied: .*graphile/)
})

test('it and doctor name the migrations of the database that drizzle/ no longer has', async () => {
  const addMigration = async (tag: string, when: number): Promise<void> => {
    await writeFile(join(dev.dir, `drizzle/${tag}.sql`), `create table orders (id int) -- ${tag}`)
    const entries = [{ idx: 0, version: '7', when, tag, breakpoints: true }]
    const journal = JSON.stringify({ version: '7', dialect: 'postgresql', entries })
    await writeFile(join(dev.dir, 'drizzle/meta/_journal.json'), journal)
  }
  await addMigration('0000_orders', 1_750_000_000_000)
  await untilListening(dev, 1)

  await rm(join(dev.dir, 'drizzle/0000_orders.sql'))
  await addMigration('0000_again', 1_760_000_000_000)
  const seen = 'the database has migrations that drizzle/ lacks: 0000_orders'
  await untilSaid(dev, `warning: ${seen}; to begin with an empty database, stop npm run dev and delete`)
  await untilSaid(dev, 'relation "orders" already exists')

  const doctor = ['scripts/doctor/doctor.js', '--json']
  const { stdout } = spawnSync(process.execPath, doctor, { cwd: dev.dir, encoding: 'utf8' })
  expect(JSON.parse(stdout)).toContainEqual({
    check: 'migrations',
    ok: false,
    seen,
    fix: 'to begin with an empty database, stop npm run dev and delete .data/postgres',
  })

  dev.lines.length = 0
  await rm(join(dev.dir, 'drizzle/0000_again.sql'))
  await addMigration('0000_orders', 1_750_000_000_000)
  await untilListening(dev, 1)
})

test('Ctrl-C twice stops the service in order, then Postgres: exit 0', () =>
  expectOrderlyStop(dev, 'SIGINT', 'SIGINT'))
