import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { until } from '../../templates/service/src/context/until.ts'
import { withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { endWithThisProcess } from '../../templates/service/scripts/postgres/watchdog.ts'

/** A running subject. Disposing ends it. */
export interface Server extends AsyncDisposable {
  /** Answers after one statement. */
  readonly url: string
  /** Requests that wait for a connection to Postgres. */
  queue(): Promise<number>
  /** The memory of its process, in bytes; undefined if the system cannot tell. */
  memory(): Promise<number | undefined>
  /** The processor time that its process has taken, in milliseconds; undefined if the system cannot tell. */
  processorMs(): Promise<number | undefined>
}

/** Starts a subject on the database at `url`. `missing` says why this machine cannot. */
export type Start = (
  ctx: Context,
  url: string,
  task: { readonly poolMax: number; readonly querySeconds: number },
) => Promise<Server | { readonly missing: string }>

/** A server's process. */
export interface ServerProcess extends AsyncDisposable {
  readonly stdout: ChildProcess['stdout']
  memory(): Promise<number | undefined>
  processorMs(): Promise<number | undefined>
}

/** Linux counts processor time in hundredths of a second. */
const tickMs = 10

const startTimeoutMs = 20_000

/** Starts `program`. SIGKILL ends it with its disposal or with this process, because nobody waits for its answers. */
export function serverProcess(
  program: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd?: string },
): ServerProcess {
  const child = spawn(program, args, {
    ...options,
    env: { PATH: process.env['PATH'], ...options.env },
    // In its own process group: Ctrl-C ends this process, which then ends the server.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithThisProcess(child, 'TERM')
  const exited = once(child, 'exit')
  return {
    stdout: child.stdout,
    async memory() {
      try {
        const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(child.pid)])
        return Number(stdout) * 1_024
      } catch {
        return undefined
      }
    },
    async processorMs() {
      try {
        // The name of the program, in parentheses, may have spaces. proc(5): utime and stime are the 12th and 13th behind it.
        const [, text = ''] = /^.*\) (.*)$/s.exec(await readFile(`/proc/${child.pid}/stat`, 'utf8')) ?? []
        const fields = text.split(' ')
        return (Number(fields[11]) + Number(fields[12])) * tickMs
      } catch {
        return undefined
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Resolves like `look`. If that takes too long, it ends `server`. */
export async function whenUp<T>(
  parent: Context,
  server: ServerProcess,
  look: (ctx: Context) => Promise<T>,
): Promise<T> {
  using ctx = withTimeout(parent, startTimeoutMs, new Error('the server did not start'))
  try {
    return await until(ctx, look(ctx))
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

/** The port that a subject says it listens on: `listening 12345`. */
export function listeningPort(ctx: Context, server: ServerProcess): Promise<number> {
  const port = new Promise<number>((resolve, reject) => {
    if (server.stdout === null) throw new Error('a server must be started with a pipe')
    const lines = createInterface({ input: server.stdout })
    lines.on('line', (line) => {
      const [, digits] = /^listening (\d+)$/.exec(line) ?? []
      if (digits !== undefined) resolve(Number(digits))
    })
    lines.on('close', () => reject(new Error('the server ended before it listened')))
  })
  return whenUp(ctx, server, () => port)
}

/** The number that `url` answers with. */
export async function numberAt(url: string, pattern = /([\d.]+)/): Promise<number> {
  const response = await fetch(url, { headers: { connection: 'close' } })
  return Number(pattern.exec(await response.text())?.[1])
}
