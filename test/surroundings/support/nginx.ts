import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, startDaemon, temporaryFolder, type Daemon, type Scope } from './daemon.ts'
import { fromPage } from './page.ts'
import { pathOf } from './programs.ts'

export interface Proxy extends Daemon {
  readonly port: number
  readonly url: string
}

/** Starts nginx before the instances on `ports`, as docs/neighbours.md configures it. */
export async function startNginx(t: Scope, ports: readonly [number, number]): Promise<Proxy> {
  const folder = await temporaryFolder(t, 'nginx')
  const port = await freePort()
  const page = fromPage('nginx', {
    // The delay of a stop is a fifth of the page's here.
    'keepalive_timeout 4s': 'keepalive_timeout 800ms',
    // Shorter than two intervals of the comments in a silent stream of events.
    'proxy_read_timeout 310s': 'proxy_read_timeout 20s',
    'listen 80;': `listen 127.0.0.1:${port};`,
    'app-1:3000': `127.0.0.1:${ports[0]}`,
    'app-2:3000': `127.0.0.1:${ports[1]}`,
  })
  const file = join(folder, 'nginx.conf')
  const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(folder, name)};\n`,
  )
  await writeFile(
    file,
    `daemon off; pid ${join(folder, 'pid')}; error_log stderr warn; worker_processes 2; events {}\n` +
      `http {\n  access_log off;\n${own.join('')}${page}}\n`,
  )
  const command = [pathOf('nginx'), '-p', folder, '-c', file, '-e', 'stderr'] as const
  const daemon = await startDaemon(t, command, { cwd: folder, port })
  return { ...daemon, port, url: `http://127.0.0.1:${port}` }
}
