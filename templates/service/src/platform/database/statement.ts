import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import { sessionOf, type Internals } from './client.ts'
import { isStale } from './session.ts'

/** The protocol counts the values of a statement in 16 bits; pg would send the low 16 bits of a larger number. */
const maxValues = 65_535

/** @throws RangeError if the protocol cannot carry so many values */
export function requireSendable(values: readonly unknown[] = []): void {
  if (values.length > maxValues)
    throw new RangeError(
      `a statement has at most ${maxValues} values, this one ${values.length}: send them in batches`,
    )
}

/**
 * Submits a statement. If a prepared one is stale, it submits the statement again without its name, except in a transaction,
 * which the failure has already aborted.
 * @param onStale called before the second attempt
 */
export async function submitFresh(
  client: PoolClient,
  statement: QueryConfig,
  values: unknown[] | undefined,
  onStale: () => void,
): Promise<QueryResult> {
  if (statement.name === undefined) return submit(client, statement, values)
  // A pooler lends another backend for each transaction, which has not prepared it.
  if (sessionOf(client)?.backend === undefined) return submit(client, nameless(statement), values)
  return submit(client, statement, values).catch((error: unknown) => {
    if (!(error instanceof pg.DatabaseError && isStale(error)) || client.getTransactionStatus() !== 'I')
      throw error
    onStale()
    return submit(client, nameless(statement), values)
  })
}

function nameless(statement: QueryConfig): QueryConfig {
  return { ...statement, name: undefined }
}

/** Settles when Postgres is ready for the next statement, or gone: pg itself reports an error before that. */
function submit(client: PoolClient, statement: QueryConfig, values: unknown[] = []): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const onResult = (error: Error | null | undefined, result: QueryResult): void => {
      if (error === null || error === undefined) {
        resolve(result)
        return
      }
      if (!(error instanceof pg.DatabaseError)) {
        reject(error)
        return
      }
      // 'drain' follows ReadyForQuery; after a FATAL error the connection ends instead.
      const done = (): void => {
        client.off('drain', done).off('end', done)
        reject(error)
      }
      client.on('drain', done).on('end', done)
    }
    // pg copies the configuration, property by property: what it inherits is not copied.
    const config = statement.name === undefined ? statement : (Object.create(statement) as QueryConfig)
    ;(client as unknown as Internals).query(config, values, onResult)
  })
}
