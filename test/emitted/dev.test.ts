import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, cp, mkdtemp, readFile, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test, vi, type TestContext } from 'vitest'

const repository = join(import.meta.dirname, '../..')
const template = join(repository, 'templates/service')
const bounded = { timeout: 30_000, interval: 50 }

interface Dev {
  readonly dir: string
  readonly child: ChildProcess
  readonly lines: string[]
}

/** `npm run dev` without npm, in a copy of the skeleton, in a process group of its own as a terminal makes one. */
async function startDev(t: TestContext): Promise<Dev> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'mainstem-dev-')))
  for (const path of ['src', 'scripts', 'drizzle', 'package.json', 'tsconfig.json']) {
    await cp(join(template, path), join(dir, path), { recursive: true })
  }
  await symlink(join(repository, 'node_modules'), join(dir, 'node_modules'))
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/dev/dev.ts'], {
    cwd: dir,
    env: { PATH: process.env['PATH'], PORT: '0', ADMIN_PORT: '0' },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => lines.push(line))
  }
  t.onTestFinished(async () => {
    child.kill('SIGTERM')
    await exited
    // As root its data may lie behind a link.
    await rm(await realpath(join(dir, '.data/postgres')), { recursive: true, force: true })
    await rm(dir, { recursive: true, force: true })
  })
  return { dir, child, lines }
}

/** The process ids of the services that said that they listen, in order. */
function services(dev: Dev): number[] {
  const listening = dev.lines.filter((line) => line.includes('"msg":"listening"'))
  return listening.map((line) => (JSON.parse(line) as { pid: number }).pid)
}

async function untilListening(dev: Dev, times: number): Promise<void> {
  await vi.waitFor(() => expect(services(dev), dev.lines.join('\n')).toHaveLength(times), bounded)
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

for (const [title, signals] of [
  ['Ctrl-C', ['SIGINT']],
  ['Ctrl-C twice', ['SIGINT', 'SIGINT']],
  ['SIGTERM', ['SIGTERM']],
] as const) {
  test(`${title} stops the service in order, then Postgres: exit 0`, { timeout: 60_000 }, async (t) => {
    const dev = await startDev(t)
    await untilListening(dev, 1)
    const started = [...services(dev), await serverPid(dev)]
    const exited = once(dev.child, 'exit')
    for (const signal of signals) process.kill(-(dev.child.pid ?? NaN), signal)

    expect(await exited).toEqual([0, null])

    expect(started.filter(isRunning)).toEqual([])
    expect(dev.lines.filter((line) => line.includes('"msg":"stopped"'))).toHaveLength(1)
    expect(dev.lines.filter((line) => line.includes('second signal'))).toEqual([])
  })
}

test(
  'a change starts the service anew; one that does not run is said, and the next is tried',
  { timeout: 90_000 },
  async (t) => {
    const dev = await startDev(t)
    const routes = join(dev.dir, 'src/routes.ts')
    const text = await readFile(routes, 'utf8')
    await untilListening(dev, 1)

    await appendFile(routes, '// a change\n')
    await untilListening(dev, 2)

    await appendFile(routes, 'this is no TypeScript\n')
    await vi.waitFor(
      () => expect(dev.lines.join('\n')).toContain('exit code 1; waiting for a change'),
      bounded,
    )

    // As an editor saves: a new file takes the place of the old one.
    await writeFile(`${routes}~`, text)
    await rename(`${routes}~`, routes)
    await untilListening(dev, 3)
    expect(services(dev).filter(isRunning)).toHaveLength(1)
  },
)
