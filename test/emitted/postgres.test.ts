import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { expect, test, vi, type TestContext } from 'vitest'
import { startPostgres, type Postgres } from '../../templates/service/scripts/postgres/postgres.ts'

const postgresScript = join(import.meta.dirname, '../../templates/service/scripts/postgres/postgres.ts')
const bounded = { timeout: 15_000, interval: 50 }

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

test(
  'a second server on the same data is refused at once, in one sentence',
  { timeout: 30_000 },
  async (t) => {
    const dir = await folder(t)
    const running = await start(t, dir, true)
    const asked = performance.now()
    await expect(startPostgres({ dir, persistent: true })).rejects.toThrow(
      `PostgreSQL already runs on ${dir}`,
    )
    // Less than the time in which a server that was killed gives up its lock.
    expect(performance.now() - asked).toBeLessThan(4_000)
    expect(await query(running.url, 'select 1 as one')).toEqual([{ one: 1 }])
  },
)

test('the error about a taken port names the port and has the message of Postgres', async (t) => {
  const taken = await start(t, await folder(t), false)
  const port = Number(new URL(taken.url).port)
  const failed = startPostgres({ dir: await folder(t), port, persistent: false })
  await expect(failed).rejects.toThrow(new RegExp(`port ${port}:[^]*Address already in use`))
})

test('when its process is killed with -9, the server ends and its folder goes', async (t) => {
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
