/**
 * Promise: One place declares every variable, and a command prints each with its source and without passwords.
 * Go: `flag.PrintDefaults`, and `url.URL.Redacted`
 * Held by: src/config.ts, scripts/pages/config.ts, scripts/pages/settings.ts
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { expect, test } from 'vitest'
import { renderPages } from '../../scripts/pages/config-pages.ts'
import { settings } from '../../scripts/pages/settings.ts'
import { InvalidEnvironment, loadConfig } from '../../src/config.ts'

const root = join(import.meta.dirname, '../..')
const url = 'postgres://service:hidden-1@db:5432/app?sslpassword=hidden-2'

test('the README and .env.example match src/config.ts', async () => {
  for (const [path, text] of Object.entries(await renderPages())) {
    expect(await readFile(join(root, path), 'utf8'), `${path}: run npm run config -- --write`).toBe(text)
  }
})

test('.env.example, uncommented, sets the defaults', async () => {
  const text = await readFile(join(root, '.env.example'), 'utf8')
  const env = parseEnv(text.replaceAll(/^# (?=[A-Z_]+=)/gm, ''))
  expect(Object.keys(env)).toEqual(expect.arrayContaining(settings({}).map(({ name }) => name)))
  expect(loadConfig({ ...env, DATABASE_URL: url })).toEqual(loadConfig({ DATABASE_URL: url }))
})

test('a README that has no table stays as it is', async () => {
  const pages = await renderPages(settings({}), () => Promise.resolve('# Ours\n'))
  expect(pages['README.md']).toBe('# Ours\n')
})

test('every variable has a description and allowed values, and its default is one of them', () => {
  for (const { name, allowed, description } of settings({})) {
    expect(description, name).not.toBe('')
    expect(allowed, name).not.toMatch(/undefined|^$/)
  }
  const defaults = Object.fromEntries(settings({}).map((one) => [one.name, one.default]))
  expect(loadConfig({ ...defaults, DATABASE_URL: url })).toEqual(loadConfig({ DATABASE_URL: url }))
})

test('all bad values are reported at once, each with the allowed and the given value but no password', () => {
  const env = {
    DEBUG_CONTEXTS: 'maybe',
    PORT: '65536',
    UPLOAD_WORKERS: '0x2',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://service:hidden@db/app',
  }
  let message = ''
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof InvalidEnvironment) message = error.message
  }
  expect(message.split('; ')).toEqual([
    "PORT must be a whole number from 0 to 65535, not '65536'",
    'DATABASE_URL must be a URL such as postgres://user:password@host:5432/database (it begins with mysql://, and this service needs PostgreSQL)',
    "UPLOAD_WORKERS must be a whole number from 1 to 100, not '0x2'",
    "DEBUG_CONTEXTS must be true or false, not 'maybe'",
    "LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, not 'loud'",
  ])
})

test.for([
  'postgres://user@/db?host=/run/postgresql',
  'postgres://user:p%40ss@[::1]:6432/db?sslmode=disable',
  'postgresql:///db',
  'POSTGRES://user@db/app',
  'socket:/run/postgresql?db=app&encoding=utf8',
  '/run/postgresql app',
])('DATABASE_URL accepts what the driver accepts: %s', (url) => {
  expect(loadConfig({ DATABASE_URL: url }).database.url).toBe(url)
  expect(settings({ DATABASE_URL: url }).find(({ name }) => name === 'DATABASE_URL')?.problem).toBeUndefined()
})

test.for([
  ['host=db dbname=app', ''],
  ['db.example', ''],
  ['postgres:/user:hidden@db/app', ''],
  ['socket:user:hidden@/run/postgresql?db=app', ''],
  ['postgres://user:hidden@a,b/app', ' (it names several hosts, the driver takes one)'],
  ['postgres://user:hidden@db/app?port=abc', ' (its port is not a number)'],
  ['postgres://user:hidden#1@db/app', ' (Invalid URL)'],
  ['postgres://a:1,b:2/app', ' (Invalid URL)'],
  [
    'postgres://user:hidden@db/app?sslrootcert=/nowhere/ca.pem&sslmode=verify-full',
    ` (ENOENT: no such file or directory, open '/nowhere/ca.pem')`,
  ],
] as const)(
  'DATABASE_URL refuses anything else, with the reason and without the password: %s',
  ([url, reason]) => {
    expect(() => loadConfig({ DATABASE_URL: url })).toThrow(
      new InvalidEnvironment(
        `DATABASE_URL must be a URL such as postgres://user:password@host:5432/database${reason}`,
      ),
    )
  },
)

test.for(['options=-c%20app.key%3Dhidden', 'pwd=hidden', 'sslpassword=hidden'])(
  'a setting shows nothing of its query that may be a secret: %s',
  (query) => {
    const shown = settings({ DATABASE_URL: `postgres://user@db/app?${query}` })
    expect(JSON.stringify(shown)).not.toContain('hidden')
  },
)

test('npm run config prints each value with its unit, source and range, and hides passwords', async () => {
  const table = await config([], { DATABASE_URL: url, REQUEST_TIMEOUT_MS: '500' })
  expect(table.code).toBe(0)
  expect(table.stdout).toMatch(/^variable +value +unit +from +allowed$/m)
  expect(table.stdout).toMatch(/^REQUEST_TIMEOUT_MS +500 +ms +environment +1 to 3600000$/m)
  expect(table.stdout).toMatch(/^UPLOAD_WORKERS +4 +default +1 to 100$/m)
  expect(table.stdout).toContain('postgres://service:***@db:5432/app?sslpassword=***')

  const json = await config(['--json'], { DATABASE_URL: url, PORT: 'eighty' })
  expect(json.code).toBe(1)
  expect(json.stderr).toBe("PORT must be a whole number from 0 to 65535, not 'eighty'\n")
  const rows = JSON.parse(json.stdout) as { variable: string }[]
  expect(rows.map(({ variable }) => variable)).toEqual(settings({}).map(({ name }) => name))
  expect(table.stdout + json.stdout).not.toContain('hidden')
})

/** `npm run config` with this environment and no other. */
function config(args: string[], env: Record<string, string>) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: root, env: { PATH: process.env['PATH'], ...env } }
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', 'scripts/pages/config.ts', ...args],
      options,
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}
