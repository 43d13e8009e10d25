import pg, { type ClientBase, type PoolConfig } from 'pg'

/** How long the first statement of a connection may take. */
const setUpMs = 5_000

/** One backend of one server: no other has all three in common with it. */
export interface Backend {
  readonly pid: number
  readonly startedAt: string
  readonly serverStartedAt: string
}

/**
 * What decides how values are written and read, and PgBouncer keeps for each client: it goes with the start-up packet,
 * and PgBouncer sets it on every server connection that it lends (https://www.pgbouncer.org/config.html).
 */
const startUpSettings = { datestyle: 'ISO, MDY', timezone: 'UTC', standard_conforming_strings: 'on' } as const

/** Of that kind as well: what a pooler does not keep. Postgres's own defaults, which a server, a database or a role may change. */
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

/** Behind a pooler a setting would stay on a server connection that is lent to others: there it is read, and not set. */
const setUp = {
  text: `select pid, pid = $1 as direct, backend_start::text as started, pg_postmaster_start_time()::text as server,
    (select json_object_agg(name, case when pid = $1 then set_config(name, value, false) else current_setting(name) end)
       from unnest($2::text[], $3::text[]) as wanted (name, value)) as settings
    from pg_stat_get_activity(pg_backend_pid())`,
  // Of the one statement; node-postgres closes the connection of one that takes longer.
  query_timeout: setUpMs,
}

/** A pooler stands in front of a database that writes values in a way this service would misread. */
export class SettingRefused extends Error {
  override readonly name = 'SettingRefused'
}

/** What node-postgres has, and its types leave out. */
interface Internals {
  readonly processID: number
  getStartupConf(): Record<string, string>
}

const backends = new WeakMap<object, Backend>()

/** node-postgres's client, whose start-up packet asks for the settings above. */
export class PostgresClient extends pg.Client {
  constructor(config?: PoolConfig) {
    super(config)
    const internals = this as unknown as Internals
    const getStartupConf = internals.getStartupConf.bind(this)
    internals.getStartupConf = () => ({ ...getStartupConf(), ...startUpSettings })
  }
}

/** The options of every pool of this service: where it connects to, and what a new connection does first. */
export function poolOptions(options: { readonly url: string; readonly applicationName: string }): PoolConfig {
  return {
    connectionString: options.url,
    application_name: options.applicationName,
    keepAlive: true,
    Client: PostgresClient,
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool waits for it, which its type does not say
    onConnect: prepare,
  }
}

/** The backend that `client` speaks to; undefined where a pooler stands between them. */
export function backendOf(client: ClientBase): Backend | undefined {
  return backends.get(client)
}

/** Makes a new connection write and read values in one way, and learns which backend it has: in one round trip. */
async function prepare(client: ClientBase): Promise<void> {
  const { processID } = client as unknown as Internals
  const values = [processID, Object.keys(settings), Object.values(settings)]
  const { rows } = await client.query<{
    pid: number
    direct: boolean
    started: string | null
    server: string
    settings: Record<string, string>
  }>({ ...setUp, values })
  const [row] = rows
  if (row === undefined) throw new Error('Postgres does not know the backend of its own connection')
  for (const [name, wanted] of Object.entries(settings)) {
    const found = row.settings[name] ?? ''
    if (found !== wanted && !(name === 'extra_float_digits' && Number(found) > 1)) refuse(name, found, wanted)
  }
  if (!row.direct || row.started === null) return
  backends.set(client, { pid: row.pid, startedAt: row.started, serverStartedAt: row.server })
}

function refuse(name: string, found: string, wanted: string): never {
  throw new SettingRefused(
    `${name} is '${found}', and a connection pooler keeps this service from setting it: run ` +
      `ALTER ROLE … SET ${name} = '${wanted}' for the role in DATABASE_URL, and restart the pooler's server connections`,
  )
}
