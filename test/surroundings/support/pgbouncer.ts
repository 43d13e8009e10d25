import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postgresUser } from '../../../templates/service/scripts/postgres/files.ts'
import { freePort, startDaemon, temporaryFolder, type Daemon, type Scope } from './daemon.ts'
import { fromPage } from './page.ts'
import { password, type Postgres } from './postgres.ts'
import { pathOf } from './programs.ts'

export interface PgBouncer extends Daemon {
  /** The URL of the database `documents` for `app`, through PgBouncer. */
  readonly url: string
}

/** Starts PgBouncer before `postgres`, as docs/neighbours.md configures it. Like Postgres, it refuses to run as root. */
export async function startPgBouncer(
  t: Scope,
  postgres: Postgres,
  mode: 'session' | 'transaction',
  poolSize = 20,
): Promise<PgBouncer> {
  const user = await postgresUser('')
  const folder = await temporaryFolder(t, 'pgbouncer', user)
  const port = await freePort()
  const users = join(folder, 'userlist.txt')
  await writeFile(users, `"app" "${password}"\n`)
  const file = join(folder, 'pgbouncer.ini')
  const text = fromPage('PgBouncer', {
    'host=postgres port=5432': `host=127.0.0.1 port=${postgres.port}`,
    'listen_port = 6432': `listen_port = ${port}`,
    '/etc/pgbouncer/userlist.txt': users,
    'pool_mode = transaction': `pool_mode = ${mode}`,
    'default_pool_size = 20': `default_pool_size = ${poolSize}`,
  })
  // Debian's default is a socket in its own folder.
  await writeFile(file, `${text}\nunix_socket_dir =\n`)
  const daemon = await startDaemon(t, [pathOf('pgbouncer'), file], { cwd: folder, port, user })
  return { ...daemon, url: `postgres://app:${password}@127.0.0.1:${port}/documents` }
}
