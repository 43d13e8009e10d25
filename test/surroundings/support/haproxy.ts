import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, startDaemon, temporaryFolder, type Scope } from './daemon.ts'
import type { Proxy } from './nginx.ts'
import { fromPage } from './page.ts'
import { pathOf } from './programs.ts'

/** Starts HAProxy before the instances on `ports`, as docs/neighbours.md configures it. */
export async function startHaproxy(t: Scope, ports: readonly [number, number]): Promise<Proxy> {
  const folder = await temporaryFolder(t, 'haproxy')
  const port = await freePort()
  const file = join(folder, 'haproxy.cfg')
  await writeFile(
    file,
    fromPage('HAProxy', {
      // Shorter than two intervals of the comments in a silent stream of events.
      'timeout server 310s': 'timeout server 20s',
      'bind :80': `bind 127.0.0.1:${port}`,
      'app-1:3000': `127.0.0.1:${ports[0]}`,
      'app-2:3000': `127.0.0.1:${ports[1]}`,
    }),
  )
  const daemon = await startDaemon(t, [pathOf('haproxy'), '-db', '-f', file], { cwd: folder, port })
  return { ...daemon, port, url: `http://127.0.0.1:${port}` }
}
