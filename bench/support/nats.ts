import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { endWithThisProcess } from '../../templates/service/scripts/postgres/watchdog.ts'

/** A nats-server with JetStream, whose data are in `dir`. */
export interface Nats {
  readonly url: string
  /** Ends it with SIGKILL. */
  kill(): Promise<void>
}

/** @throws Error of one sentence if it is not installed or does not start */
export async function startNats(dir: string, port: number): Promise<Nats> {
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', dir]
  const child = spawn('nats-server', args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) => reject(new Error('nats-server cannot be run: install it', { cause })))
  })
  endWithThisProcess(child, 'TERM')
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ready = new Promise<void>((resolve, reject) => {
    let last = ''
    createInterface({ input: child.stderr }).on('line', (line) => {
      last = line
      if (line.includes('Server is ready')) resolve()
    })
    child.once('close', () => reject(new Error(`nats-server ended: ${last}`)))
  })
  await Promise.race([ready, failed])
  return {
    url: `nats://127.0.0.1:${port}`,
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}
