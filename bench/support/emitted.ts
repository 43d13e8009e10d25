import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { Context } from '../../templates/service/src/context/context.ts'
import { until } from '../../templates/service/src/context/until.ts'
import { endWithThisProcess } from '../../templates/service/scripts/postgres/watchdog.ts'
import type { Line } from './process.ts'
import { probedMain } from './programs.ts'

const repository = join(import.meta.dirname, '../..')
const tsx = join(repository, 'node_modules/tsx/dist/esm/index.mjs')

/**
 * Creates a service in a new folder of `parent`, adds pieces, and gives it the packages of this repository.
 * @returns its folder
 */
export async function emitService(
  ctx: Context,
  parent: string,
  name: string,
  pieces: readonly (readonly string[])[],
): Promise<string> {
  const directory = join(parent, name)
  await mkdir(parent, { recursive: true })
  const node = (cwd: string, args: readonly string[]) =>
    promisify(execFile)(process.execPath, ['--import', tsx, ...args], { cwd, signal: ctx.signal })
  const flags = ['--yes', '--no-install', '--no-git', '--no-example']
  await node(repository, ['generator/main.ts', directory, ...flags])
  await symlink(join(repository, 'node_modules'), join(directory, 'node_modules'))
  for (const piece of pieces)
    await node(directory, ['generators/engine/add.ts', ...piece, '--yes', '--no-install'])
  return directory
}

/** Applies the migrations of an emitted service. */
export async function migrateEmitted(ctx: Context, directory: string, databaseUrl: string): Promise<void> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: databaseUrl }
  await promisify(execFile)(process.execPath, ['--import', tsx, 'src/migrate.ts'], {
    cwd: directory,
    env,
    signal: ctx.signal,
  })
}

/** An emitted service with the probes of its tests, as a process. */
export interface Emitted {
  readonly child: ChildProcess
  readonly port: number
  readonly adminPort: number
  /** Without the lines of requests and events. */
  readonly log: readonly Line[]
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** Starts it with `env` and no other environment, and waits until it listens. @throws Error with its last line if it does not */
export async function startEmitted(
  ctx: Context,
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<Emitted> {
  const child = spawn(process.execPath, [await probedMain(directory)], {
    cwd: directory,
    env: { PATH: process.env['PATH'], ADMIN_PORT: '0', PORT: '0', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithThisProcess(child, 'TERM')
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const log: Line[] = []
  const listening = new Promise<Line>((resolve, reject) => {
    let last = 'it printed nothing'
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line
      last = text
      if (line.msg !== 'request' && line.msg !== 'event') log.push(line)
      if (line.msg === 'listening') resolve(line)
    })
    child.once('close', () => reject(new Error(`the service ended: ${last}`)))
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
    return child.exitCode
  }
  try {
    const { port, adminPort } = await until(ctx, listening)
    return { child, port: Number(port), adminPort: Number(adminPort), log, end }
  } catch (error) {
    await end('SIGKILL')
    throw error
  }
}
