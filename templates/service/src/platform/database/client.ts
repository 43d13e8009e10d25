import pg, { type ClientBase, type PoolConfig, type QueryConfig, type QueryResult } from 'pg'

/** Identifies one backend of one server: no other backend has the same three values. */
export interface Backend {
  readonly pid: number
  readonly startedAt: string
  readonly serverStartedAt: string
}

/**
 * The settings that decide how values are written, and that PgBouncer tracks: it takes them from the start-up packet, and
 * sets them on every server connection that it lends (https://www.pgbouncer.org/config.html).
 */
const startUpSettings = { datestyle: 'ISO, MDY', timezone: 'UTC', standard_conforming_strings: 'on' } as const

/** The settings that no pooler tracks, with Postgres's defaults. A server, a database or a role may have changed them. */
const ownSettings = {
  intervalstyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  array_nulls: 'on',
  xmloption: 'content',
  xmlbinary: 'base64',
  timezone_abbreviations: 'Default',
  transform_null_equals: 'off',
} as const

const settings: Readonly<Record<string, string>> = { ...startUpSettings, ...ownSettings }

/** Sets `settings` on a direct connection. Behind a pooler it only reads them: other clients would get the changed ones too. */
const setUp = {
  text: `select pid, pid = $1 as direct, backend_start::text as started, pg_postmaster_start_time()::text as server,
    (select json_object_agg(name, setting::int) from pg_settings
      where name in ('statement_timeout', 'idle_in_transaction_session_timeout')) as timeouts,
    (select json_object_agg(name, case when pid = $1 then set_config(name, value, false) else current_setting(name) end)
       from unnest($2::text[], $3::text[]) as wanted (name, value)) as settings
    from pg_stat_get_activity(pg_backend_pid())`,
  // node-postgres closes the connection if this one statement takes longer.
  query_timeout: 5_000,
}

/** The database writes values in a way that this service would misread, and a pooler keeps the service from changing it. */
export class SettingRefused extends Error {
  override readonly name = 'SettingRefused'
}

/** Members of node-postgres's client that its types leave out. */
export interface Internals {
  readonly processID: number
  readonly secretKey: number
  readonly connection: { startup(config: unknown): void; cancel(processID: number, secretKey: number): void }
  getStartupConf(): Record<string, string>
  query(
    config: QueryConfig,
    values: unknown[],
    onResult: (error: Error | null | undefined, result: QueryResult) => void,
  ): void
}

/** What is known of the session of a client. */
interface Session {
  /** Undefined if a pooler stands between the client and its backend. */
  readonly backend: Backend | undefined
  /** The settings of the role or the database that bound a transaction, by name, in milliseconds; 0 for none. */
  readonly timeouts: Readonly<Record<string, number>>
}

const sessions = new WeakMap<object, Session>()

/** node-postgres's client, whose start-up packet asks for the settings above. */
export class PostgresClient extends pg.Client {
  constructor(config?: PoolConfig) {
    super(config)
    const internals = this as unknown as Internals
    const getStartupConf = internals.getStartupConf.bind(this)
    internals.getStartupConf = () => ({ ...getStartupConf(), ...startUpSettings })
  }
}

/**
 * A client of a pool. If it cannot be made, as without the file of its certificate, its `connect` fails: what a constructor
 * throws may reach no caller of the pool, and would end the process.
 */
export class PooledClient extends PostgresClient {
  constructor(config?: PoolConfig) {
    try {
      super(config)
    } catch (error) {
      super()
      const connect = async (onResult?: (error: unknown) => void): Promise<void> => {
        if (onResult === undefined) throw error
        process.nextTick(onResult, error)
      }
      Object.assign(this, { connect })
    }
  }
}

/**
 * Opens a pool of connections that are set up as this service needs them. Each is closed when it is idle and 25 to 30
 * minutes old, so that the pool finds the servers that a failover or a balancer has put in the place of others.
 */
export function openPool({ url, applicationName, ...options }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    ...options,
    connectionString: url,
    application_name: applicationName,
    keepAlive: true,
    Client: PooledClient,
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, which its type does not say
    onConnect: prepare,
  })
  // The pool removes an idle connection that dies; without a listener the event would end the process.
  pool.on('error', () => undefined)
  // Random, so that not all are opened anew at once. The pool reads it for each connection before it emits 'connect'.
  const drawLifetime = (): void => {
    pool.options.maxLifetimeSeconds = 60 * (25 + 5 * Math.random())
  }
  drawLifetime()
  return pool.on('connect', drawLifetime)
}

interface PoolOptions extends Pick<PoolConfig, 'max' | 'connectionTimeoutMillis'> {
  readonly url: string
  readonly applicationName: string
}

/** The session of a client of such a pool; undefined before it has connected. */
export function sessionOf(client: ClientBase): Session | undefined {
  return sessions.get(client)
}

/** Sets how a new connection writes values, and reads which backend it has: in one round trip. */
async function prepare(client: ClientBase): Promise<void> {
  const { processID } = client as unknown as Internals
  const values = [processID, Object.keys(settings), Object.values(settings)]
  const { rows } = await client.query<{
    pid: number
    direct: boolean
    started: string | null
    server: string
    timeouts: Record<string, number>
    settings: Record<string, string>
  }>({ ...setUp, values })
  const [row] = rows
  if (row === undefined) throw new Error('Postgres does not know the backend of its own connection')
  for (const [name, wanted] of Object.entries(settings)) {
    const found = row.settings[name] ?? ''
    if (found === wanted || (name === 'extra_float_digits' && Number(found) > 1)) continue
    throw new SettingRefused(
      `${name} is '${found}', and a connection pooler keeps this service from setting it: run ` +
        `ALTER ROLE … SET ${name} = '${wanted}' for the role in DATABASE_URL, and restart the pooler's server connections`,
    )
  }
  const { pid, direct, started, server, timeouts } = row
  const backend =
    direct && started !== null ? { pid, startedAt: started, serverStartedAt: server } : undefined
  sessions.set(client, { backend, timeouts })
}
