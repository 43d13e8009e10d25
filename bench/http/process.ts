import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Context } from '../../templates/service/src/context/context.ts'
import { until } from '../../templates/service/src/context/until.ts'
import { pinned } from './pin.ts'

/** A server in its own process, on one core. Disposing ends it. */
export interface ServerProcess extends AsyncDisposable {
  readonly port: number
  /** Milliseconds of processor time of all its threads since its start; undefined if the system cannot tell. */
  cpuMs(): number | undefined
  /** Undefined if the system cannot tell. */
  residentMb(): number | undefined
}

/**
 * Units of Linux's /proc: USER_HZ and the page size are the same on every platform with binaries of
 * Node, except some arm64 pages.
 */
const tickMs = 10
const pageBytes = 4_096

/** How a server is started. */
export interface ServerOptions {
  readonly core?: number
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Starts `program`, which prints its port on a line of its own once it listens.
 * @throws Error with its stderr if it ends before that; the cause of ctx if ctx ends first
 */
export async function startServer(
  ctx: Context,
  program: string,
  args: readonly string[],
  { core = 0, env = {} }: ServerOptions = {},
): Promise<ServerProcess> {
  const child = spawn(...pinned(core, program, args), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], GOMAXPROCS: '1', NODE_ENV: 'production', ...env },
  })
  const ended = once(child, 'close')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  try {
    const port = await until(ctx, Promise.race([portOf(child.stdout), ended.then(() => NaN)]))
    if (Number.isNaN(port)) throw new Error(faultOf(said))
    const { pid = 0 } = child
    return {
      port,
      cpuMs: () => {
        const fields = proc(pid, 'stat')
          ?.replace(/^.*\) /, '')
          .split(' ')
        return fields && (Number(fields[11]) + Number(fields[12])) * tickMs
      },
      residentMb: () => {
        const pages = proc(pid, 'statm')?.split(' ')[1]
        return pages === undefined ? undefined : (Number(pages) * pageBytes) / 2 ** 20
      },
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Finds the first line that is a number. Reads the rest too: a server whose output is not read would drop its log. */
function portOf(stdout: Readable): Promise<number> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: stdout })
    lines.on('line', (line) => {
      if (!/^\d+$/.test(line)) return
      resolve(Number(line))
      lines.close()
      stdout.resume()
    })
  })
}

function proc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return undefined
  }
}

/** The line of a program's stderr that gives the error; Node's stack and version stand below it. */
function faultOf(stderr: string): string {
  const lines = stderr.trim().split('\n')
  return (
    lines.find((line) => /^\w*Error\b/.test(line)) ??
    lines.find((line) => line !== '') ??
    'it ended without output'
  )
}
