import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, realpath, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { endWithThisProcess } from '../../../templates/service/scripts/postgres/watchdog.ts'
import type { User } from '../../../templates/service/scripts/postgres/files.ts'

/** Runs callbacks when a test or a file has ended, the last one first. */
export interface Scope {
  onTestFinished(fn: () => Promise<void>): unknown
}

/** A scope for all tests of a file: `afterAll(scope.end)`. */
export function fileScope(): Scope & { readonly end: () => Promise<void> } {
  const cleanups: (() => Promise<void>)[] = []
  return {
    onTestFinished: (fn) => cleanups.push(fn),
    async end() {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    },
  }
}

/** A program that runs until it is stopped, or its scope ends. */
export interface Daemon {
  readonly child: ChildProcess
  /** All of its output so far. */
  log(): string
  running(): boolean
  /** Sends `signal` and waits for its end; SIGKILL follows after 10 s. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface DaemonOptions {
  readonly cwd: string
  /** Resolves when this port of 127.0.0.1 accepts connections. */
  readonly port: number
  readonly user?: User
}

const startTimeoutMs = 30_000
const stopTimeoutMs = 10_000

/** Starts a program in the foreground. @throws Error with its output if it ends or does not listen within 30 s */
export async function startDaemon(
  t: Scope,
  [file, ...args]: readonly [string, ...string[]],
  { cwd, port, user = {} }: DaemonOptions,
): Promise<Daemon> {
  const child = spawn(file, args, { cwd, ...user, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  endWithThisProcess(child, 'TERM')
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (log += text))
  let failure: Error | undefined
  const closed = once(child, 'close').catch((error: unknown) => (failure = error as Error))
  const running = (): boolean => failure === undefined && child.exitCode === null && child.signalCode === null
  const daemon: Daemon = {
    child,
    log: () => log,
    running,
    async stop(signal = 'SIGTERM') {
      if (running()) child.kill(signal)
      const late = AbortSignal.timeout(stopTimeoutMs)
      late.addEventListener('abort', () => child.kill('SIGKILL'))
      await closed
    },
  }
  t.onTestFinished(() => daemon.stop())
  const deadline = performance.now() + startTimeoutMs
  while (!(await accepts(port))) {
    if (!running()) throw new Error(`${file} ended: ${failure?.message ?? log}`)
    if (performance.now() > deadline) throw new Error(`${file} does not listen on ${port}: ${log}`)
    await setTimeout(20)
  }
  return daemon
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A folder that is removed with its scope. It belongs to `user` if given, and all can read it. */
export async function temporaryFolder(t: Scope, name: string, user: User = {}): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), `${name}-`)))
  await chmod(folder, 0o755)
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid)
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
