import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { keptUrl } from '../../templates/service/scripts/postgres/address.ts'
import { leftovers, type AtEnd } from '../support/create.ts'
import { copySkeleton, linkPackage, removeCopy } from '../support/service-copy.ts'

const bounded = { timeout: 60_000, interval: 50 }

interface Dev {
  readonly dir: string
  readonly child: ChildProcess
  /** Its output in this test. */
  readonly lines: string[]
  /** The process ids of all services that have logged `listening`, in order. */
  readonly services: number[]
}

const command = ['--import', 'tsx', 'scripts/dev/dev.ts']
const anyPorts = 'PORT=0\nADMIN_PORT=0\n'

/**
 * `npm run dev` without npm, in a copy of the skeleton, in its own process group, as in a terminal.
 * @param options.without packages that are not installed yet
 * @param options.terminal runs it on a pseudo terminal, whose keys are `child.stdin`
 */
async function startDev(
  atEnd: AtEnd,
  options: { without?: string[]; terminal?: boolean; envFile?: string } = {},
): Promise<Dev> {
  const dir = await copySkeleton(options.without)
  await writeFile(join(dir, '.env'), options.envFile ?? anyPorts)
  const env = { PATH: process.env['PATH'], TERM: 'xterm-256color' }
  const child = options.terminal
    ? spawn('script', ['-qec', `node ${command.join(' ')}`, '/dev/null'], { cwd: dir, env, detached: true })
    : spawn(process.execPath, command, { cwd: dir, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const lines: string[] = []
  const services: number[] = []
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      lines.push(line)
      if (line.includes('"msg":"listening"')) services.push((JSON.parse(line) as { pid: number }).pid)
    })
  }
  atEnd(async () => {
    child.kill('SIGTERM')
    await exited
    await removeCopy(dir)
  })
  return { dir, child, lines, services }
}

async function untilSaid(dev: Dev, text: string | RegExp): Promise<void> {
  await vi.waitFor(() => expect(dev.lines.join('\n')).toMatch(text), bounded)
}

/** Waits until services have logged `listening` this many times in this test. */
async function untilListening(dev: Dev, times: number): Promise<void> {
  const listening = () => dev.lines.filter((line) => line.includes('"msg":"listening"'))
  await vi.waitFor(() => expect(listening(), dev.lines.join('\n')).toHaveLength(times), bounded)
}

async function serverPid(dev: Dev): Promise<number> {
  return Number((await readFile(join(dev.dir, '.data/postgres/data/postmaster.pid'), 'utf8')).split('\n')[0])
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function expectOrderlyStop(dev: Dev, ...signals: NodeJS.Signals[]): Promise<void> {
  const started = [...dev.services, await serverPid(dev)]
  dev.lines.length = 0
  const exited = once(dev.child, 'exit')
  for (const signal of signals) process.kill(-(dev.child.pid ?? NaN), signal)

  expect(await exited).toEqual([0, null])

  expect(started.filter(isRunning)).toEqual([])
  expect(dev.lines.filter((line) => line.includes('"msg":"stopped"'))).toHaveLength(1)
  expect(dev.lines.filter((line) => line.includes('second signal'))).toEqual([])
}

test('SIGTERM stops the service in order, then Postgres: exit 0', async (t) => {
  const dev = await startDev((fn) => t.onTestFinished(fn))
  await untilListening(dev, 1)
  await expectOrderlyStop(dev, 'SIGTERM')
})

describe('one dev that keeps running', () => {
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
    const { status, stderr } = spawnSync(process.execPath, command, { cwd: dev.dir, env, encoding: 'utf8' })
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
})

test('in a terminal it shows addresses and a line for each request, and handles its keys', async (t) => {
  // The requests of the docs are logged at debug.
  const dev = await startDev((fn) => t.onTestFinished(fn), {
    terminal: true,
    envFile: `${anyPorts}LOG_LEVEL=debug\n`,
  })
  await untilSaid(dev, /r restart +s seed +c clear +h help +q quit/)
  const screen = (): string => dev.lines.join('\n')
  const addressOf = (name: string): string => {
    const plain = stripVTControlCharacters(screen())
    return new RegExp(`^ +${name} +(http\\S+)`, 'm').exec(plain)?.[1] ?? ''
  }
  const service = addressOf('service')
  expect((await fetch(addressOf('docs'))).status).toBe(200)
  expect((await fetch(addressOf('contexts'))).status).toBe(200)
  await fetch(`${service}/nowhere`)
  await untilSaid(dev, '/nowhere \u001b[33m404')
  expect(screen()).toContain('/docs \u001b[32m200')
  expect(stripVTControlCharacters(screen())).toMatch(/^\[[\d:]{8}\] GET +\/docs 200 \d+\.\d ms$/m)
  expect(screen()).not.toContain('"msg"')

  dev.child.stdin?.write('cr')
  await untilSaid(dev, /restarted in \d+ ms \(r\)/)
  expect(screen()).toContain('\u001b[2J')

  dev.lines.length = 0
  dev.child.stdin?.write('h')
  await untilSaid(dev, /q quit/)
  expect((await fetch(addressOf('docs'))).status).toBe(200)

  const server = await serverPid(dev)
  dev.child.stdin?.write('q')
  expect(await once(dev.child, 'exit')).toEqual([0, null])
  expect(isRunning(server)).toBe(false)
  await expect(fetch(service)).rejects.toThrow('fetch failed')
})
