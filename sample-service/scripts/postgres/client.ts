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
