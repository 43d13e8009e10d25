import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { endWithThisProcess } from '../postgres/watchdog.ts'

/** The folder of the service, which its relative paths start from. */
export const root = join(import.meta.dirname, '../..')

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** src/main.ts as a process. It outlives neither stop() nor this process. */
export interface ServiceProcess {
  /** Its log, if it was started with a pipe. */
  readonly stdout: ChildProcess['stdout']
  /** Settles when it has ended and its log is read. */
  readonly exited: Promise<Exit>
  /** Sends it one SIGTERM, as an orchestrator does, and waits for its end. */
  stop(): Promise<Exit>
}

/** What the service's own budgets for a stop are far below. After that it is ended without being asked. */
const stopTimeoutMs = 60_000

/**
 * Starts src/main.ts with `env` and no other environment.
 * @param options.remove a folder to delete if this process is killed before it can do so itself
 * @param options.imports modules to load before it, relative to the folder of the service
 */
export function startService(
  env: NodeJS.ProcessEnv,
  options: { stdout: 'pipe' | 'inherit'; remove?: string; imports?: readonly string[] },
): ServiceProcess {
  const imports = ['tsx', ...(options.imports ?? [])].flatMap((module) => ['--import', module])
  const child = spawn(process.execPath, [...imports, 'src/main.ts'], {
    cwd: root,
    env,
    // Of a group of its own: a terminal sends Ctrl-C to a whole group, npm sends it once more, and to the service a second
    // signal means "exit at once". It gets the one that stop() sends.
    detached: true,
    stdio: ['ignore', options.stdout, 'inherit'],
  })
  endWithThisProcess(child, 'TERM', options.remove)
  const exited = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => resolve({ code, signal }))
  })
  return {
    stdout: child.stdout,
    exited,
    async stop() {
      child.kill('SIGTERM')
      const hung = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      return exited.finally(() => clearTimeout(hung))
    },
  }
}
