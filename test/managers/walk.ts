import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { childEnvironment } from '../../generator/package-manager.ts'
import { freePort } from '../../templates/service/scripts/postgres/address.ts'

export type Name = 'npm' | 'pnpm' | 'yarn' | 'bun'

/** One row of the table: the command, its duration, whether it succeeded, and its last line of output. */
export interface Row {
  readonly who: string
  readonly shown: string
  readonly seconds: string
  readonly ok: boolean
  readonly said: string
}

export interface Walker {
  readonly name: Name
  /** The choice as text: `pnpm@12 on Node 24`. */
  readonly who: string
  /** The folders for PATH that hold the package manager and Node. */
  readonly folders: readonly string[]
  /** The program create-mainstem, from the tarball. */
  readonly creator: string
}

/** The install command in the workflow of a service with this manager. */
const frozen: Record<Name, string[]> = {
  npm: ['ci', '--ignore-scripts'],
  pnpm: ['install', '--frozen-lockfile', '--ignore-scripts'],
  yarn: ['install', '--immutable'],
  bun: ['install', '--frozen-lockfile', '--ignore-scripts'],
}

const lockFiles = ['--', 'package.json', ':(glob)*lock*', 'pnpm-workspace.yaml']

/** How long `dev` and `start` may take to listen: the machine may be busy. */
const listenMs = 120_000

/**
 * The first hour with one package manager, in a new folder below `scratch`: each command that the README
 * names, as its user types it.
 */
export async function walk({ name, who, folders, creator }: Walker, scratch: string): Promise<Row[]> {
  const home = join(scratch, who.replaceAll(' ', '-'))
  const service = join(home, 'my-service')
  mkdirSync(home)
  const path = [...folders, process.env['PATH'] ?? ''].join(delimiter)
  const ports = { PORT: '0', ADMIN_PORT: '0' }
  const env = { ...childEnvironment(process.env), ...ports, PATH: path, NO_COLOR: '1' }
  const rows: Row[] = []

  function note(line: readonly string[], startedAt: number, ok: boolean, output: string): void {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    const shown = line.join(' ').replace(creator, 'create-mainstem')
    const said = output.split('\n').filter((text) => text.trim() !== '')
    if (!ok) console.log(output)
    console.log(`— ${who}: ${shown}: ${ok ? 'ok' : 'FAILED'}, ${seconds} s`)
    rows.push({ who, shown, seconds, ok, said: (said.at(-1)?.trim() ?? '').slice(0, 90) })
  }

  function call(line: readonly string[], cwd = service, extra: NodeJS.ProcessEnv = {}): string {
    const [program = '', ...args] = line
    const startedAt = performance.now()
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd,
      env: { ...env, ...extra },
      encoding: 'utf8',
    })
    note(line, startedAt, status === 0, status === 0 ? stdout : `${stdout}${stderr}`)
    return stdout
  }

  const script = (first: string, ...rest: string[]): string[] => {
    return [name, 'run', first, ...(name === 'npm' && rest.length > 0 ? ['--', ...rest] : rest)]
  }

  /** Starts a script that listens, lets `work` use its address, and stops it with SIGINT. */
  async function during(line: string[], extra: NodeJS.ProcessEnv, work: (url: string) => Promise<void>) {
    const [program = '', ...args] = line
    const startedAt = performance.now()
    const child = spawn(program, args, { cwd: service, env: { ...env, ...extra } })
    const exited = once(child, 'exit')
    const { url, pid, output } = await listening(child, join(service, '.data/dev.json'))
    note(line, startedAt, url !== undefined, url === undefined ? output() : `listens on ${url}`)
    let stoppedAt: number
    try {
      if (url !== undefined) await work(url)
    } finally {
      stoppedAt = performance.now()
      // Not to the manager: pnpm starts scripts in a process group of their own.
      if (pid === undefined) child.kill()
      else process.kill(pid, 'SIGINT')
      await exited
    }
    note(['SIGINT'], stoppedAt, url !== undefined, output())
  }

  call([creator, 'my-service', '--yes', '--pm', name], home)
  // As in CI, from the files in git alone.
  call(['git', 'clean', '-fdxq'])
  call([name, ...frozen[name]], service, { CI: 'true' })
  call(['git', 'diff', '--exit-code', '--stat', ...lockFiles])
  // The port must outlast a restart.
  const port = String(await freePort(true))
  await during(script('dev'), { PORT: port }, async (url) => {
    const startedAt = performance.now()
    const statuses = await Promise.all(Array.from({ length: 10 }, () => statusOf(`${url}/documents`)))
    note(
      ['ten requests'],
      startedAt,
      statuses.every((status) => status === 200),
      statuses.join(' '),
    )
    call(script('add', 'resource', 'invoice', '--fields', 'title:text, paidAt:timestamptz?', '--yes'))
    const addedAt = performance.now()
    const served = await eventually(async () => (await statusOf(`${url}/invoices`)) === 200)
    note(['dev serves GET /invoices'], addedAt, served, '')
    for (const name of ['db:migrate', 'config', 'check', 'lint', 'test:mine', 'build']) call(script(name))
    const quiet = name === 'yarn' ? script('db:url') : [name, 'run', '--silent', 'db:url']
    const DATABASE_URL = call(quiet).trim().split('\n').at(-1)
    await during(script('start'), { DATABASE_URL }, async (url) => {
      note([`GET ${url}/readyz`], performance.now(), (await statusOf(`${url}/readyz`)) === 200, '200')
    })
    call(script('doctor'))
    call(['git', 'add', '--all'])
    call(['git', '-c', 'user.name=A', '-c', 'user.email=a@example.com', 'commit', '--quiet', '-m', 'more'])
    // It stamps the resource again in a copy, with the packages where this manager puts them.
    call([creator, 'update'])
  })
  return rows
}

async function statusOf(url: string): Promise<number> {
  return fetch(url).then(
    async (response) => {
      await response.arrayBuffer()
      return response.status
    },
    () => 0,
  )
}

async function eventually(holds: () => Promise<boolean>): Promise<boolean> {
  for (const endsAt = performance.now() + listenMs; performance.now() < endsAt;) {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return false
}

/** Waits for the line of the log with the address; undefined if there is none. `pid` is dev's own if it runs the service. */
async function listening(
  child: ChildProcess,
  devFile: string,
): Promise<{ url: string | undefined; pid: number | undefined; output: () => string }> {
  let text = ''
  const url = await new Promise<string | undefined>((resolve) => {
    const onText = (chunk: Buffer): void => {
      text += chunk.toString()
      const port = /"port":(\d+),/.exec(text)?.[1]
      if (port !== undefined && text.includes('"listening"')) resolve(`http://127.0.0.1:${port}`)
    }
    child.stdout?.on('data', onText)
    child.stderr?.on('data', onText)
    child.on('exit', () => resolve(undefined))
    setTimeout(() => resolve(undefined), listenMs).unref()
  })
  // dev writes it a moment after the line.
  await new Promise((resolve) => setTimeout(resolve, 500))
  const dev = await readFile(devFile, 'utf8').catch(() => undefined)
  const own = Number(/"pid":(\d+)[^\n]*"listening"/.exec(text)?.[1])
  const pid =
    dev === undefined || child.spawnargs.includes('start') ? own : (JSON.parse(dev) as { pid: number }).pid
  return { url, pid: pid || undefined, output: () => text }
}
