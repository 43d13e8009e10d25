import pg from 'pg'

/**
 * The PostgreSQL of scripts/postgres/postgres.ts hashes its password once, which makes connecting cheap but which lib/pq refuses.
 * Benches use Postgres's default of 4096 iterations.
 */
export async function hashAsUsual(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const password = client.escapeLiteral(new URL(url).password)
    await client.query(`set scram_iterations = 4096; alter role current_user password ${password}`)
  } finally {
    await client.end()
  }
}
