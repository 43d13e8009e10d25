import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { endWithThisProcess } from '../../templates/service/scripts/watchdog.ts'
import { withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { until } from '../../templates/service/src/context/until.ts'

/** One line of an instance's log. */
export type Line = Readonly<Record<string, unknown>> & { readonly msg: string }

/** The sample service, built, as a process. Disposing kills it. */
export interface Instance extends AsyncDisposable {
  readonly port: number
  /** Milliseconds from its start until it listened. */
  readonly startMs: number
  readonly log: readonly Line[]
  /** Sends a signal, and resolves with the exit code when it is gone; null if it was killed. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

const sample = fileURLToPath(new URL('../../sample-service', import.meta.url))
const startTimeoutMs = 60_000

/** What an operator runs is what is measured: `npm run build` of the sample. */
export async function buildSample(ctx: Context): Promise<void> {
  await promisify(execFile)('npm', ['run', 'build'], { cwd: sample, signal: ctx.signal })
}

/** Starts one with `env` and no other environment. @throws Error with its last line if it does not listen */
export async function startInstance(
  parent: Context,
  env: Readonly<Record<string, string>>,
): Promise<Instance> {
  using ctx = withTimeout(parent, startTimeoutMs, new Error('the service did not come up'))
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: sample,
    env: { PATH: process.env['PATH'], ADMIN_PORT: '0', PORT: '0', ...env },
    // Of a group of its own: Ctrl-C ends this process, and this process ends it.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithThisProcess(child, 'TERM')
  const exited = once(child, 'close')
  const log: Line[] = []
  const listening = new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line
      if (line.msg !== 'request') log.push(line)
      if (line.msg === 'listening') resolve(Number(line['port']))
    })
    const gone = (): void => reject(new Error(`the service ended: ${log.at(-1)?.msg ?? 'it said nothing'}`))
    exited.then(gone, reject)
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
    return child.exitCode
  }
  const dispose = async (): Promise<void> => {
    await end('SIGKILL')
  }
  try {
    const port = await until(ctx, listening)
    return { port, startMs: performance.now() - startedAt, log, end, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** One that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
