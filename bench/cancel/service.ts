import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Context } from '../../templates/service/src/context/context.ts'

export interface Service extends AsyncDisposable {
  readonly port: number
}

const root = join(import.meta.dirname, '../../templates/service')

/** Starts the service's own src/main.ts with the route of ./routes.ts, as a process. */
export async function startService(ctx: Context, databaseUrl: string, poolMax: number): Promise<Service> {
  const uploads = await mkdtemp(join(tmpdir(), 'bench-uploads-'))
  const hooks = join(import.meta.dirname, 'routes-hooks.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', '--import', hooks, 'src/main.ts'], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      ADMIN_PORT: '0',
      LOG_LEVEL: 'info',
      DATABASE_URL: databaseUrl,
      DATABASE_POOL_MAX: String(poolMax),
      REQUEST_TIMEOUT_MS: '60000',
      UPLOAD_DIR: uploads,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: ctx.signal,
    killSignal: 'SIGKILL',
  })
  const closed = once(child, 'close')
  const port = new Promise<number>((resolve, reject) => {
    // Read to its end: a full pipe would stop the service.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry = JSON.parse(line) as { msg: string; port?: number }
      if (entry.msg === 'listening' && entry.port !== undefined) resolve(entry.port)
    })
    child.once('error', reject)
    child.once('close', () => reject(new Error('the service ended before it listened')))
  })
  return {
    port: await port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await closed
      await rm(uploads, { recursive: true, force: true })
    },
  }
}
