import pg from 'pg'

/** Calls `work` with a connection to the database at `url`, and closes it. @param timeoutMs how long it may take to connect */
export async function withClient<T>(
  url: string,
  timeoutMs: number,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeoutMs })
  // If the connection is lost between two statements, the next statement fails anyway.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** The variables of libpq, which the driver and Postgres's own programs read too, such as PGSSLMODE and PGOPTIONS. */
const ofLibpq = /^PG[A-Z]/

/** `env` for the built-in PostgreSQL: without the variables that describe another server. */
export function withoutLibpq(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ofLibpq.test(name)))
}

/** Lets this process, and those that it starts, connect to the built-in PostgreSQL as its URL says. */
export function forgetLibpq(): void {
  for (const name of Object.keys(process.env))
    if (ofLibpq.test(name)) Reflect.deleteProperty(process.env, name)
}
