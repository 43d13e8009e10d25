import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endWithThisProcess } from '../../templates/service/scripts/postgres/watchdog.ts'
import { withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { until } from '../../templates/service/src/context/until.ts'

/** One line of the service's log. */
export type Line = Readonly<Record<string, unknown>> & { readonly msg: string }

/** The sample service as a process that listens. Disposing kills it. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess
  readonly port: number
  readonly adminPort: number
  /** Whether it still runs. */
  alive(): boolean
  /** Sends a signal unless the process has ended, and resolves with its exit code when it ends; null if it was killed. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

export const sample = fileURLToPath(new URL('../../sample-service', import.meta.url))
const startTimeoutMs = 60_000

/** How the sample is run. */
export interface ProcessOptions {
  /** The arguments of Node. */
  readonly args: readonly string[]
  /** Its whole environment, except PATH and free ports. */
  readonly env: Readonly<Record<string, string>>
  /** The folder of another service than the sample. */
  readonly cwd?: string
  /** Whether it has a channel to this process. */
  readonly ipc: boolean
  /** Gets each line of its output, and returns the log line in it. */
  readonly read: (text: string) => Line
}

/**
 * Starts Node in the sample's folder, and waits until it listens.
 * @throws Error with its last line if it does not listen
 */
export async function startSampleProcess(
  parent: Context,
  { args, env, cwd = sample, ipc, read }: ProcessOptions,
): Promise<Running> {
  using ctx = withTimeout(parent, startTimeoutMs, new Error('the service did not start'))
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env['PATH'], ADMIN_PORT: '0', PORT: '0', ...env },
    // In its own process group: Ctrl-C ends this process, which then ends the service.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit', ...(ipc ? (['ipc'] as const) : [])],
  })
  endWithThisProcess(child, 'TERM')
  const exited = once(child, 'close')
  const listening = new Promise<Line>((resolve, reject) => {
    let last = 'it printed nothing'
    createInterface({ input: child.stdout ?? process.stdin }).on('line', (text) => {
      const line = read(text)
      last = line.msg
      if (line.msg === 'listening') resolve(line)
    })
    exited.then(() => reject(new Error(`the service ended: ${last}`)), reject)
  })
  const alive = (): boolean => child.exitCode === null && child.signalCode === null
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (alive()) child.kill(signal)
    await exited
    return child.exitCode
  }
  const dispose = async (): Promise<void> => {
    await end('SIGKILL')
  }
  try {
    const { port, adminPort } = await until(ctx, listening)
    return {
      child,
      port: Number(port),
      adminPort: Number(adminPort),
      alive,
      end,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}
