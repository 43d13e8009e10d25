import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { copySkeleton, removeCopy } from '../support/service-copy.ts'

let dir = ''
beforeAll(async () => {
  dir = await copySkeleton()
})
afterAll(() => removeCopy(dir))

const scripts = {
  'db:url': 'scripts/postgres/url.ts',
  'db:migrate': 'scripts/postgres/migrate.ts',
  config: 'scripts/pages/config.ts',
}

async function execute(script: keyof typeof scripts, args: string[] = [], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', scripts[script], ...args], {
    cwd: dir,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, stdout, stderr }
}

async function tables(url: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public'`,
  )
  await client.end()
  return rows.map(({ name }) => name)
}

async function addMigration(tag: string, statement: string): Promise<void> {
  await writeFile(join(dir, `drizzle/${tag}.sql`), statement)
  const entries = [{ idx: 0, version: '7', when: 1_750_000_000_000, tag, breakpoints: true }]
  const journal = { version: '7', dialect: 'postgresql', entries }
  await writeFile(join(dir, 'drizzle/meta/_journal.json'), JSON.stringify(journal))
}

test('without DATABASE_URL the scripts use the built-in PostgreSQL, whether it runs or not', async (t) => {
  const first = await execute('db:url')
  expect(first.code, first.stderr).toBe(0)
  expect(first.stdout).toMatch(/^postgres:\/\/postgres:\w+@127\.0\.0\.1:\d+\/postgres\n$/)
  expect(first.stderr).toContain('does not run now')
  const url = first.stdout.trim()

  await addMigration('0000_things', 'create table things (id int)')
  const started = await execute('db:migrate')
  expect(started.code, started.stderr).toBe(0)
  expect(started.stdout).toContain('"applied":["0000_things"]')
  await expect(tables(url)).rejects.toThrow('ECONNREFUSED')

  const running = await startPostgres({ dir: join(dir, '.data/postgres'), persistent: true })
  t.onTestFinished(() => running.stop())
  expect(await execute('db:url')).toEqual({ code: 0, stdout: `${url}\n`, stderr: '' })
  const again = await execute('db:migrate')
  expect(again.code, again.stderr).toBe(0)
  expect(again.stdout).toContain('"applied":[]')
  expect(await tables(url)).toEqual(['things'])

  const config = await execute('config', ['--', '--json'])
  expect(config.code, config.stderr).toBe(0)
  expect(JSON.parse(config.stdout)).toContainEqual(
    expect.objectContaining({
      variable: 'DATABASE_URL',
      value: url.replace(/:\w+@/, ':***@'),
      from: 'built-in PostgreSQL',
    }),
  )
})

test('DATABASE_URL from the environment or .env comes first', async (t) => {
  const url = 'postgres://service:hidden@127.0.0.1:1/nowhere'
  expect(await execute('db:url', [], { DATABASE_URL: url })).toEqual({
    code: 0,
    stdout: `${url}\n`,
    stderr: '',
  })

  await writeFile(join(dir, '.env'), `DATABASE_URL=${url}\nSTARTUP_TIMEOUT_MS=300\n`)
  t.onTestFinished(() => writeFile(join(dir, '.env'), ''))
  expect((await execute('db:url')).stdout).toBe(`${url}\n`)
  const { code, stdout } = await execute('db:migrate')
  expect(code).toBe(1)
  expect(stdout).toContain('127.0.0.1:1')
})

test('with NODE_ENV=production no script uses the built-in PostgreSQL', async () => {
  for (const script of ['db:url', 'db:migrate'] as const) {
    const { code, stdout, stderr } = await execute(script, [], { NODE_ENV: 'production' })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('DATABASE_URL is missing')
  }
  expect((await execute('config', [], { NODE_ENV: 'production' })).stderr).toContain(
    'DATABASE_URL is required',
  )
  expect(existsSync(join(dir, '.data/postgres/data/postmaster.pid'))).toBe(false)
})
