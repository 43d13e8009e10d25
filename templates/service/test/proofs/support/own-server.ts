import { chown, mkdtemp, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startPostgres, type Postgres } from '../../../scripts/postgres/postgres.ts'

/** A PostgreSQL for one test file, which may restart it and change its settings. */
export interface OwnServer {
  /** The URL of its database `postgres` for its superuser. A restart does not change it. */
  readonly url: string
  stop(): Promise<void>
  start(): Promise<void>
  /** Runs a statement as the superuser. */
  sql(text: string): Promise<Record<string, unknown>[]>
  /** Writes a file into its data folder, owned by Postgres's user. @returns its path */
  write(name: string, text: string): Promise<string>
  /** Stops it and removes its data. */
  remove(): Promise<void>
}

/** Starts one. @throws Error if npm has no PostgreSQL that runs here */
export async function startOwnServer(): Promise<OwnServer> {
  const dir = await mkdtemp(join(tmpdir(), 'postgres-own-'))
  let server: Postgres = await startPostgres({ dir, persistent: true })
  const { url } = server
  const sql: OwnServer['sql'] = async (text) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const { rows } = await client.query<Record<string, unknown>>(text)
      return rows
    } finally {
      await client.end()
    }
  }
  const pathOf = async (name: string): Promise<string> => {
    const [row] = await sql('show data_directory')
    return join(String(row?.['data_directory']), name)
  }
  const write: OwnServer['write'] = async (name, text) => {
    const path = await pathOf(name)
    await writeFile(path, text, { mode: 0o600 })
    // Postgres does not run as root, even if this process does.
    const { uid, gid } = await stat(await pathOf(''))
    await chown(path, uid, gid)
    return path
  }
  return {
    url,
    stop: () => server.stop(),
    async start() {
      server = await startPostgres({ dir, persistent: true, port: Number(new URL(url).port) })
    },
    sql,
    write,
    async remove() {
      await server.stop()
      // The folder is a link if Postgres's user has no access to its place.
      await rm(await realpath(dir), { recursive: true, force: true })
      await rm(dir, { recursive: true, force: true })
    },
  }
}
