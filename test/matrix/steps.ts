import { spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import type { Added, Running } from './pieces.ts'

/** A step of a combination, with how long it took. */
export interface Taken {
  readonly step: string
  readonly seconds: number
}

/** The output of a command that failed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
}

interface Ran {
  readonly code: number | null
  readonly output: string
}

/** Runs the steps of one combination, those that fail fastest first. Calls `took` for each step that succeeded. */
export async function check(
  service: string,
  combination: readonly Added[],
  databaseUrl: string,
  took: (taken: Taken) => void,
): Promise<void> {
  const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    try {
      return await work()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new StepFailed(`${name}: ${why}`, { cause: error })
    } finally {
      took({ step: name, seconds: (performance.now() - startedAt) / 1_000 })
    }
  }
  const added = await step('add', () => addAll(service, combination))
  await step('twice', async () => {
    if ((await addAll(service, combination)).length > 0) throw new Error('the second time it wrote something')
  })
  await step('dependencies', () => refuseUndeclared(service, added))
  // The runs with one piece have already checked this.
  const sources = combination.length === 2 ? added.filter((path) => path.endsWith('.ts')) : ['.']
  await step('format', () => run(service, ['prettier', '--check', ...sources]))
  await step('types', () => run(service, ['tsc', '--noEmit']))
  await step('oxlint', () => run(service, ['oxlint', ...sources]))
  await step('lint', () => run(service, ['eslint', ...sources, '--max-warnings', '0']))
  await step('migrate', () => run(service, ['tsx', 'src/migrate.ts'], { DATABASE_URL: databaseUrl }))
  const tests = added.filter((path) => path.endsWith('.test.ts'))
  const always = ['shape', 'configuration'].map((name) => `test/guarantees/${name}.test.ts`)
  const server = new URL('/postgres', databaseUrl).href
  await step('tests', () =>
    run(service, ['vitest', 'run', ...always, ...tests], { TEST_DATABASE_URL: server, NODE_ENV: 'test' }),
  )
  await step('build', async () => {
    await run(service, ['tsc', '-p', 'tsconfig.build.json'])
    await run(service, ['rolldown', '-c'])
  })
  await step('run', () => serve(service, combination, databaseUrl))
}

/** A copy of `base` that shares its dependencies. */
export async function copyOf(base: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await cp(base, to, {
    recursive: true,
    filter: (path) => !['node_modules', '.git', '.data'].some((name) => path === join(base, name)),
  })
  await symlink(join(base, 'node_modules'), join(to, 'node_modules'))
}

/** Adds one piece after the other. @returns the files that it wrote */
async function addAll(service: string, combination: readonly Added[]): Promise<string[]> {
  const added = new Set<string>()
  for (const { args } of combination) {
    const { output } = await run(service, ['tsx', 'generators/engine/add.ts', ...args, '--json'])
    const { files } = JSON.parse(output.slice(output.indexOf('{'))) as {
      files: { path: string; change: string }[]
    }
    for (const { path } of files) added.add(path)
  }
  return [...added]
}

/** Checks that package.json declares every import. All packages are installed here, so a missing one would go unnoticed. */
async function refuseUndeclared(service: string, added: readonly string[]): Promise<void> {
  const manifest = JSON.parse(await readFile(join(service, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >
  for (const path of added.filter((one) => one.endsWith('.ts'))) {
    const text = await readFile(join(service, path), 'utf8')
    for (const [, specifier = ''] of text.matchAll(/from '([^'.][^']*)'/g)) {
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      const declared = Object.hasOwn(manifest.dependencies, name)
      const forTests = path.includes('.test.') || path.startsWith('test/')
      if (declared || specifier.startsWith('node:') || builtinModules.includes(name)) continue
      if (forTests && Object.hasOwn(manifest.devDependencies, name)) continue
      throw new Error(`${path} imports ${name}, which package.json does not have`)
    }
  }
}

/** Starts the built service, checks each piece in it, and stops it. */
async function serve(service: string, combination: readonly Added[], databaseUrl: string): Promise<void> {
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: service,
    env: { PATH: process.env['PATH'], DATABASE_URL: databaseUrl, PORT: '0', ADMIN_PORT: '0', AUTH: 'off' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const client = new pg.Client({ connectionString: databaseUrl })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const { line, said } = logOf(child)
  try {
    await client.connect()
    const { port } = await line({ msg: 'listening' })
    const running: Running = {
      url: `http://127.0.0.1:${String(port)}`,
      sql: (text, values) => client.query(text, values),
      line,
    }
    for (const { ask } of combination) await ask?.(running)
    child.kill('SIGTERM')
    const code = await ended
    if (code !== 0) throw new Error(`SIGTERM: exit code ${code ?? 'none'}`)
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${said().join('\n')}`, {
      cause: error,
    })
  } finally {
    child.kill('SIGKILL')
    await ended
    await client.end()
  }
}

function logOf(child: ChildProcess) {
  const lines: string[] = []
  const watchers = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue
    createInterface({ input: stream }).on('line', (text) => {
      lines.push(text)
      for (const watcher of watchers) watcher()
    })
  }
  return {
    said: () => lines,
    line: (values: Readonly<Record<string, unknown>>) =>
      new Promise<Record<string, unknown>>((resolve, reject) => {
        const look = (): void => {
          const found = lines
            .filter((text) => text.startsWith('{'))
            .map((text) => JSON.parse(text) as Record<string, unknown>)
            .find((entry) => Object.entries(values).every(([name, value]) => entry[name] === value))
          if (found === undefined) return
          watchers.delete(look)
          resolve(found)
        }
        watchers.add(look)
        look()
        const never = () => reject(new Error(`no line ${JSON.stringify(values)}`))
        child.once('close', never)
        setTimeout(never, 30_000).unref()
      }),
  }
}

/** Runs a program of the service's dependencies in its folder. Throws the end of its output if it fails. */
export async function run(
  cwd: string,
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const child = spawn(join(cwd, 'node_modules/.bin', program), args, {
    cwd,
    env: { ...process.env, ...env, npm_config_dry_run: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  const output = Buffer.concat(chunks).toString()
  if (code !== 0)
    throw new Error(`${program} ${args.join(' ')}: exit code ${code ?? 'none'}\n${output.slice(-6_000)}`)
  return { code, output }
}
