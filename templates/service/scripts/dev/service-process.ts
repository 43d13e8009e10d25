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

/** A process that runs a program of src/. It ends with stop(), and with this process. */
export interface ServiceProcess {
  readonly pid: number | undefined
  /** Its log, if it was started with a pipe. */
  readonly stdout: ChildProcess['stdout']
  /** Its stderr, if it was started with a pipe. */
  readonly stderr: ChildProcess['stderr']
  /** Settles when it has ended and its output is read. */
  readonly exited: Promise<Exit>
  /** Sends it one SIGTERM, as an orchestrator does, and waits for its end. */
  stop(): Promise<Exit>
}

export interface ProcessOptions {
  readonly stdout: 'pipe' | 'inherit'
  /** `inherit` by default. */
  readonly stderr?: 'pipe' | 'inherit'
  /** A folder to delete if this process is killed before it can do so itself. */
  readonly remove?: string
  /** Modules to load before the program, relative to the folder of the service. */
  readonly imports?: readonly string[]
}

/** Far above the service's own limits for a stop. A process that takes longer is killed. */
const stopTimeoutMs = 60_000

/** Starts src/main.ts with `env` and no other environment. */
export function startService(env: NodeJS.ProcessEnv, options: ProcessOptions): ServiceProcess {
  return startProgram('src/main.ts', env, options)
}

/** Starts a program of src/ with `env` and no other environment. */
export function startProgram(
  program: 'src/main.ts' | 'src/migrate.ts',
  env: NodeJS.ProcessEnv,
  options: ProcessOptions,
): ServiceProcess {
  const imports = ['tsx', ...(options.imports ?? [])].flatMap((module) => ['--import', module])
  const child = spawn(process.execPath, [...imports, program], {
    cwd: root,
    env,
    // In a group of its own, so that the service gets only the signal of stop(): a terminal sends Ctrl-C to the whole group, npm
    // sends it again, and a second signal makes the service exit at once.
    detached: true,
    stdio: ['ignore', options.stdout, options.stderr ?? 'inherit'],
  })
  endWithThisProcess(child, 'TERM', options.remove)
  const exited = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => resolve({ code, signal }))
  })
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    async stop() {
      child.kill('SIGTERM')
      const hung = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      return exited.finally(() => clearTimeout(hung))
    },
  }
}
