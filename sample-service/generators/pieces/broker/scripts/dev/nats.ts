import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../postgres/address.ts'
import { endWithThisProcess } from '../postgres/watchdog.ts'
import type { ProgramBeside } from './beside.ts'
import { root } from './service-process.ts'

/** A running nats-server on 127.0.0.1. */
export interface Nats {
  /** For BROKER_URL. */
  readonly url: string
  readonly child: ChildProcess
  stop(): Promise<void>
}

/** What to do if nats-server is not installed. */
export const howToGetNats =
  'nats-server is not installed: apt-get install nats-server, brew install nats-server, or https://github.com/nats-io/nats-server/releases; or set BROKER_URL'

/** The nats-server that `npm run dev` runs. Its data stay in .data/nats. */
export function natsBeside(): ProgramBeside {
  return { variable: 'BROKER_URL', start: () => startNats({ dir: join(root, '.data/nats') }) }
}

const portAttempts = 5

/**
 * Starts nats-server with JetStream. It ends with stop(), and with this process.
 * @param options.dir for its data, which stay; by default they are removed by stop()
 * @param options.port by default any free one
 * @throws Error of one sentence if it is not installed, or with its last line if it does not start
 */
export async function startNats(options: { dir?: string; port?: number } = {}): Promise<Nats> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'nats-')))
  await mkdir(dir, { recursive: true })
  const remove = async (): Promise<void> => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
  }
  try {
    // nats-server could choose a free port itself, but would not report it.
    for (let attempt = 1; ; attempt++) {
      const port = options.port ?? (await freePort(false))
      const { child, fault } = await serve(dir, port)
      if (fault === undefined) {
        const stop = async (): Promise<void> => {
          await end(child)
          await remove()
        }
        return { url: `nats://127.0.0.1:${port}`, child, stop }
      }
      if (!fault.includes('address already in use') || attempt === portAttempts)
        throw new Error(`nats-server does not start: ${fault}`)
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** @returns the process, and its last line if it has ended instead of being ready */
async function serve(dir: string, port: number): Promise<{ child: ChildProcess; fault?: string }> {
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', dir]
  const child = spawn('nats-server', args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      reject(cause.code === 'ENOENT' ? new Error(howToGetNats) : cause)
    })
  })
  endWithThisProcess(child, 'TERM')
  let last = 'it printed nothing'
  const settled = new Promise<string | undefined>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      last = line
      if (line.includes('Server is ready')) resolve(undefined)
    })
    child.once('close', () => resolve(last))
  })
  const fault = await Promise.race([settled, failed])
  return { child, ...(fault !== undefined && { fault }) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await closed
  clearTimeout(late)
}
