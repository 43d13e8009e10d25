import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { copySkeleton, linkPackage, removeCopy } from '../support/service-copy.ts'

let dir = ''
beforeAll(async () => {
  dir = await copySkeleton()
  const manifest = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8')) as object
  await writeFile(join(dir, 'package-lock.json'), JSON.stringify({ packages: { '': manifest } }))
})
afterAll(() => removeCopy(dir))

interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly seen: string
  readonly fix?: string
}

/** @param imports modules that Node loads first */
async function doctor(args: string[], env: Record<string, string> = {}, imports: string[] = []) {
  const loaded = imports.flatMap((module) => ['--import', module])
  const child = spawn(process.execPath, [...loaded, 'scripts/doctor/doctor.js', ...args], {
    cwd: dir,
    env: { PATH: process.env['PATH'], PORT: '0', ADMIN_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  const findings = args.includes('--json') ? (JSON.parse(text) as Finding[]) : []
  return { code, text, wrong: findings.filter(({ ok }) => !ok), findings }
}

async function listen(t: { onTestFinished(fn: () => void): unknown }): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  t.onTestFinished(() => void server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('it passes if nothing is wrong, and starts nothing', async () => {
  const { code, text } = await doctor([])
  expect(code, text).toBe(0)
  expect(text).toMatch(/^✓ node +v[\d.]+, package.json requires >=20\.19$/m)
  expect(text).toMatch(/^✓ manager +npm [\d.]+, package-lock\.json$/m)
  expect(text).toMatch(
    /^✓ database +the built-in PostgreSQL does not run now; npm run dev starts and migrates it$/m,
  )
  expect(text).not.toContain('✗')
})

test('it names each fault of the surroundings and the remedy: exit 1', async (t) => {
  const taken = await listen(t)
  const { code, wrong } = await doctor(['--', '--json'], {
    PORT: String(taken),
    DATABASE_URL: 'postgres://service:hidden@127.0.0.1:1/app',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${taken}`,
    UPLOAD_DIR: 'package.json/uploads',
  })
  expect(code).toBe(1)
  expect(wrong).toEqual([
    {
      check: `port ${taken}`,
      ok: false,
      seen: expect.stringMatching(new RegExp(`^taken by .+ \\(pid ${process.pid}\\)$`)) as string,
      fix: 'stop that program, or set PORT in .env',
    },
    {
      check: 'database',
      ok: false,
      seen: 'PostgreSQL on 127.0.0.1:1/app: connect ECONNREFUSED 127.0.0.1:1',
      fix: expect.stringContaining('start the database') as string,
    },
    {
      check: 'telemetry',
      ok: false,
      seen: 'nothing is exported until 127.0.0.1:1 can be reached, check OTEL_EXPORTER_OTLP_ENDPOINT: ECONNREFUSED',
      fix: 'start the collector, or set OTEL_EXPORTER_OTLP_ENDPOINT to where it listens',
    },
    {
      check: 'uploads',
      ok: false,
      seen: `${join(dir, 'package.json')} is not a folder`,
      fix: 'correct UPLOAD_DIR, or the rights of that folder',
    },
  ])
})

test('it names bad and unknown variables, and each malformed line, of .env', async (t) => {
  const lines = [
    'PROT=3000',
    ...['LOG_LEVEL=loud', 'DATABSE_URL=postgres://db/app', 'OWN=1', 'OTEL_SERVICE_NAME=x'],
    '# a comment',
    'PORT 3000',
    "export TZ = 'UTC' # fine",
    'NODE_A="two',
    'lines"',
    'NODE_B="open',
  ]
  await writeFile(join(dir, '.env'), [...lines, 'NODE_C="closed"', 'NODE_D=`open'].join('\n'))
  t.onTestFinished(() => rm(join(dir, '.env')))
  const { wrong } = await doctor(['--json'])
  expect(wrong.map(({ seen, fix }) => [seen, fix])).toEqual([
    ['.env line 7 is not NAME=value', 'correct that line'],
    ['.env line 11: the " of NODE_B is not closed', 'correct that line'],
    ['.env line 13: the ` of NODE_D is not closed', 'correct that line'],
    [expect.stringMatching(/^LOG_LEVEL must be one of .*, not 'loud'$/), 'correct LOG_LEVEL in .env'],
    ['nothing reads DATABSE_URL of .env', 'rename it to DATABASE_URL'],
    ['nothing reads OWN of .env', 'remove it, or declare it in src/config.ts'],
    ['nothing reads PROT of .env', 'rename it to PORT'],
  ])
})

test.each([
  ['notaurl', ''],
  ['mysql://user@127.0.0.1:3306/app', ' (it begins with mysql://, and this service needs PostgreSQL)'],
])('an invalid DATABASE_URL (%s) is one fault', async (url, why) => {
  const { wrong } = await doctor(['--json'], { DATABASE_URL: url })
  const seen = `DATABASE_URL must be a URL such as postgres://user:password@host:5432/database${why}`
  const fix = 'correct DATABASE_URL in the environment'
  expect(wrong).toEqual([{ check: 'environment', ok: false, seen, fix }])
})

test('test:mine fails for a missing file, and passes for a service without tests of its own', async () => {
  const copy = await copyWithout()
  expect(runIn(copy, 'test:mine')).toMatchObject({ status: 0 })
  const { status, stderr } = runWithNpm(copy, 'test:mine -- src/typo')
  expect(stderr).toContain('No test files found')
  expect(status).toBe(1)
})

test('it says why .env cannot be read, and checks the rest', async (t) => {
  const path = join(dir, '.env')
  await mkdir(path)
  t.onTestFinished(() => rm(path, { recursive: true }))

  const { code, wrong, findings } = await doctor(['--json'])

  expect(code).toBe(1)
  expect(wrong).toMatchObject([
    { check: 'environment', seen: expect.stringContaining('.env cannot be read: EISDIR') as string },
  ])
  expect(findings.map(({ check }) => check)).toContain('disk')
})

test('it and the check name a schema that has no migration', async (t) => {
  const schema = "import { integer, pgTable } from 'drizzle-orm/pg-core'\n"
  await mkdir(join(dir, 'src/words'))
  t.onTestFinished(() => rm(join(dir, 'src/words'), { recursive: true }))
  const table = "export const words = pgTable('words', { id: integer('id') })\n"
  await writeFile(join(dir, 'src/words/words.schema.ts'), schema + table)
  const { wrong } = await doctor(['--json'])
  const seen = 'the schema differs from the last migration (words)'
  expect(wrong).toEqual([{ check: 'schema', ok: false, seen, fix: 'run npm run db:generate' }])
  expect(await readdir(join(dir, 'drizzle'))).toEqual(['meta'])

  const check = ['--import', './scripts/tsx.js', 'scripts/postgres/check-schema.ts']
  const { status, stderr } = spawnSync(process.execPath, check, { cwd: dir, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 1, stderr: `${seen}: run npm run db:generate\n` })
})

test('it names packages that do not match package.json or the lock file', async (t) => {
  const path = join(dir, 'package.json')
  const text = await readFile(path, 'utf8')
  t.onTestFinished(() => writeFile(path, text))
  await writeFile(path, text.replace(/"hono": "[^"]+"/, '"hono": "^99.0.0"'))
  await rm(join(dir, 'node_modules/uuid'))
  t.onTestFinished(() => linkPackage(dir, 'uuid'))
  await writeFile(join(dir, 'yarn.lock'), '')
  t.onTestFinished(() => rm(join(dir, 'yarn.lock')))

  const { wrong } = await doctor(['--json'])
  expect(wrong).toEqual([
    expect.objectContaining({ check: 'manager', seen: expect.stringContaining('yarn.lock') as string }),
    {
      check: 'installed',
      ok: false,
      seen: 'hono ^99.0.0 is not in package-lock.json yet, and 1 more',
      fix: 'run npm install',
    },
  ])
})

test("it names a dependency that finds another version than the service's", async (t) => {
  await rm(join(dir, 'node_modules/hono'))
  await mkdir(join(dir, 'node_modules/hono'))
  await writeFile(join(dir, 'node_modules/hono/package.json'), '{ "version": "4.0.0" }')
  t.onTestFinished(async () => {
    await rm(join(dir, 'node_modules/hono'), { recursive: true })
    await linkPackage(dir, 'hono')
  })
  const { wrong } = await doctor(['--json'])
  expect(wrong).toContainEqual({
    check: 'peers',
    ok: false,
    seen: expect.stringMatching(
      /^@hono\/node-server finds hono 4\.\d+\.\d+, but the service finds 4\.0\.0$/,
    ) as string,
    fix: expect.stringContaining('"hono": "^4.') as string,
  })
})

test('before the first install it says what to do', async (t) => {
  await rm(join(dir, 'node_modules/tsx'))
  t.onTestFinished(() => linkPackage(dir, 'tsx'))
  const { code, text } = await doctor([])
  expect(code).toBe(1)
  expect(text).toContain("✗ installed   Cannot find package 'tsx'\n              → run npm install")
})

/** Runs a script of the service in `copy` like npm, but without npm, whose start takes longer than most of the scripts. */
function runIn(copy: string, line: string, env: Record<string, string> = {}) {
  const [script = '', ...args] = line.split(' ')
  const manifest = JSON.parse(readFileSync(join(copy, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const command = manifest.scripts[script] ?? 'exit 127'
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `${command} "$@"`, script, ...args], {
    cwd: copy,
    env: {
      PATH: [join(copy, 'node_modules/.bin'), process.env['PATH']].join(delimiter),
      HOME: copy,
      ...env,
    },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

function runWithNpm(copy: string, line: string) {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '-s', ...line.split(' ')], {
    cwd: copy,
    env: { PATH: process.env['PATH'], HOME: copy },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** A copy of the skeleton that lacks these packages. */
async function copyWithout(...packages: string[]): Promise<string> {
  const copy = await copySkeleton(packages)
  onTestFinished(() => removeCopy(copy))
  return copy
}

test('before the first install, each script says so in one line', async () => {
  const copy = await copyWithout('tsx', 'vitest')
  for (const script of ['dev', 'add', 'config', 'db:url', 'db:migrate']) {
    const { status, stderr } = runIn(copy, script)
    const said = 'tsx is not installed: run npm install first\n'
    expect({ script, status, stderr }).toEqual({ script, status: 1, stderr: said })
  }
  // A shell would print only that it cannot find tsc.
  for (const script of ['check', 'lint', 'format', 'build', 'db:generate', 'test', 'test:mine']) {
    const { status, stderr } = runIn(copy, script)
    const said = '2 packages are not installed (tsx, …): run npm install first\n'
    expect({ script, status, stderr }).toEqual({ script, status: 1, stderr: said })
  }
  // Otherwise the next install leaves them out again.
  expect(runIn(copy, 'dev', { NODE_ENV: 'production' }).stderr).toBe(
    'tsx is not installed: run npm install first, without NODE_ENV=production, which leaves out the devDependencies\n',
  )
})

test('an argument that a script does not take is refused in one line', () => {
  for (const script of ['dev', 'check', 'db:url', 'db:migrate', 'db:seed', 'guarantees']) {
    const { status, stdout, stderr } = runIn(dir, `${script} --quiet`)
    const said = `${script}: Unknown option '--quiet': npm run ${script} takes no arguments\n`
    expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: '', stderr: said })
  }
  expect(runIn(dir, 'doctor --jsn').stderr).toBe(
    "doctor: Unknown option '--jsn' (did you mean --json?): npm run doctor takes only --json\n",
  )
  expect(runIn(dir, 'verify x').stderr).toBe(
    "verify: Unexpected argument 'x': npm run verify takes only --json\n",
  )
  expect(runIn(dir, 'config x').stderr).toBe(
    "config: Unexpected argument 'x': npm run config takes only --json and --write\n",
  )
  expect(runIn(dir, 'start --wrong')).toEqual({
    status: 1,
    stdout: '',
    stderr: "start: Unknown argument '--wrong': npm start takes no arguments\n",
  })
  expect(runIn(dir, 'test -- --slow').stderr).toBe(
    'test: Unknown option `--slow`: npx vitest --help lists its options\n',
  )
})

test('--help says what a script does, and so does the word help', () => {
  expect(runIn(dir, 'dev help')).toEqual(runIn(dir, 'dev --help'))
  for (const script of ['dev', 'check', 'doctor', 'config']) {
    const { status, stdout, stderr } = runIn(dir, `${script} --help`)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(
      new RegExp(`^npm run ${script}(?: \\[-- --json(?:\\|--write)?\\])? [a-z]+s .*\\.\\n$`),
    )
  }
  expect(runIn(dir, 'start --help')).toEqual({
    status: 0,
    stdout: 'npm start runs dist/main.js; npm run config prints the variables that it reads.\n',
    stderr: '',
  })
  // ESLint's alone: oxlint would lint everything first.
  const { status, stdout } = runIn(dir, 'lint --help')
  expect({ status, lints: stdout.includes('Found 0 warnings') }).toEqual({ status: 0, lints: false })
  expect(stdout).toMatch(/^eslint \[options\]/)
})

test('with a Node that is too old, each script prints one line', async (t) => {
  const path = join(dir, 'package.json')
  const manifest = await readFile(path, 'utf8')
  t.onTestFinished(() => writeFile(path, manifest))
  await writeFile(path, manifest.replace('">=20.19"', '">=999.1"'))
  const fault = `Node ${process.version}, package.json requires >=999.1: install Node 999.1 or newer`
  for (const script of ['dev', 'check', 'lint', 'test', 'start']) {
    const { status, stderr } = runIn(dir, script)
    expect({ script, status, stderr }).toEqual({
      script,
      status: 1,
      stderr: `${fault} (nvm install, https://nodejs.org)\n`,
    })
  }
})

test('a .data that cannot be a folder is named, with what to do', async () => {
  const copy = await copyWithout()
  await writeFile(join(copy, '.data'), '')
  const { stdout } = runIn(copy, 'doctor')
  expect(stdout).toMatch(
    /^✗ database +\S.*\.data\/postgres cannot be made \(ENOTDIR\): make .*\.data a folder/m,
  )
})

test('npm start before the first build, or without its packages, says what to run', async () => {
  const copy = await copyWithout('pino', 'tsx')
  expect(runIn(copy, 'start')).toEqual({
    status: 1,
    stdout: '',
    stderr: 'dist/main.js is missing: run npm run build first\n',
  })
  await mkdir(join(copy, 'dist'))
  await writeFile(join(copy, 'dist/main.js'), "console.log('started')")
  expect(runIn(copy, 'start').stderr).toBe('pino is not installed: run npm install first\n')
  // A production install has no tsx.
  await linkPackage(copy, 'pino')
  expect(runIn(copy, 'start')).toEqual({ status: 0, stdout: 'started\n', stderr: '' })
})

test.each([
  ['pluralize-esm', 'add --list'],
  ['ts-morph', 'add upload photo'],
])('without %s, which an update may have added, npm run %s says so', async (name, script) => {
  const { status, stderr } = runIn(await copyWithout(name), script)
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: `${name} is not installed: run npm install first\n`,
  })
})

test('a file of the service that a script needs and that is missing is named', async () => {
  const copy = await copyWithout()
  await rm(join(copy, 'src'), { recursive: true })
  const { status, stderr } = runIn(copy, 'dev')
  expect(stderr).toMatch(/^src\/\S+\.ts is missing, and scripts\/\S+\.ts imports it\n$/)
  expect(status).toBe(1)
})

test('npm run config names an .env that cannot be read', async () => {
  const copy = await copyWithout()
  await mkdir(join(copy, '.env'))
  expect(runIn(copy, 'config')).toEqual({
    status: 1,
    stdout: '',
    stderr: 'config: .env cannot be read: EISDIR: illegal operation on a directory, read\n',
  })
})

test('in a service of pnpm, it names the commands of pnpm', async () => {
  const copy = await copyWithout('uuid')
  await writeFile(join(copy, 'pnpm-lock.yaml'), '')
  const { stdout } = runIn(copy, 'doctor')
  expect(stdout).toContain('→ run pnpm install\n')
  expect(stdout).toContain('does not run now; pnpm run dev starts and migrates it\n')
})

test('it names missing migrations and a wrong clock', async (t) => {
  const postgres = await startPostgres({ dir: join(dir, '.data/postgres'), persistent: true })
  t.onTestFinished(() => postgres.stop())
  const healthy = await doctor(['--json'])
  expect(healthy.code, healthy.text).toBe(0)
  expect(healthy.findings.map(({ check }) => check)).toEqual(
    expect.arrayContaining(['database', 'migrations', 'clock']),
  )

  const journal = join(dir, 'drizzle/meta/_journal.json')
  const before = await readFile(journal, 'utf8')
  t.onTestFinished(() => writeFile(journal, before))
  await mkdir(join(dir, 'drizzle'), { recursive: true })
  await writeFile(join(dir, 'drizzle/0000_things.sql'), 'create table things (id int)')
  const entries = [{ idx: 0, version: '7', when: 1_750_000_000_000, tag: '0000_things', breakpoints: true }]
  await writeFile(journal, JSON.stringify({ version: '7', dialect: 'postgresql', entries }))
  const hourAhead = 'data:text/javascript,const now = Date.now; Date.now = () => now() + 3_600_000'
  const { wrong } = await doctor(['--json'], {}, [hourAhead])
  expect(wrong).toEqual([
    {
      check: 'migrations',
      ok: false,
      seen: 'the database lacks migrations (0000_things)',
      fix: expect.stringContaining('run `npm run db:migrate`') as string,
    },
    {
      check: 'clock',
      ok: false,
      seen: expect.stringMatching(/differ by 3[56]\d{5} ms$/) as string,
      fix: expect.stringContaining('synchronize') as string,
    },
  ])
})
