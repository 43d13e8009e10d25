import { afterFunc, throwIfEnded, type Context } from '../../context/context.ts'
import type { Connection } from './connection.ts'
import { plainFor } from './errors.ts'
import { queriesOver, type Queries } from './queries.ts'
import { beginTransaction, rollback } from './transaction.ts'

/** A query that can be executed more than once, as drizzle's select builders can. */
export interface RowQuery<T> {
  execute(): Promise<T[]>
}

export interface StreamOptions {
  /** How many rows are fetched at a time, and so are in memory. 100 if not given. */
  readonly batchRows?: number
}

/**
 * The rows of one select through a cursor in a read-only transaction. Releases `connection` when the rows are at an end,
 * the consumer stops, or ctx ends, even if the consumer never asks for another row.
 */
export async function* streamRows<T>(
  ctx: Context,
  connection: Connection,
  select: (q: Queries) => RowQuery<T>,
  { batchRows = 100 }: StreamOptions,
): AsyncGenerator<T, void> {
  let closing: Promise<void> | undefined
  const stop = afterFunc(ctx, () => {
    closing ??= rollbackAndRelease(ctx, connection)
  })
  try {
    // Without this Postgres plans for the first tenth of the rows.
    await beginTransaction(ctx, connection, 'BEGIN READ ONLY; SET LOCAL cursor_tuple_fraction = 1')
    const query = select(fetching(ctx, connection, batchRows))
    for (let rows; (rows = await query.execute()).length > 0;) {
      for (const row of rows) {
        throwIfEnded(ctx)
        yield row
      }
    }
  } catch (error) {
    throw plainFor(error)
  } finally {
    stop()
    await (closing ??= rollbackAndRelease(ctx, connection))
  }
}

/** Drizzle over a cursor: the first execution of a query declares it, and each fetches the next rows, in drizzle's types. */
function fetching(ctx: Context, connection: Connection, batchRows: number): Queries {
  // FETCH 0 returns no row, as if the rows were at an end.
  if (!Number.isInteger(batchRows) || batchRows < 1)
    throw new RangeError(`batchRows: expected a whole number above 0, got ${batchRows}`)
  let declared = false
  return queriesOver(async (statement, values) => {
    if (!declared) {
      const text = `DECLARE streamed NO SCROLL CURSOR FOR ${statement.text}`
      await connection.execute(ctx, { text }, values)
      declared = true
    }
    // Drops the name of a prepared select: under it Postgres would keep the FETCH, and serve it to the next caller.
    return connection.execute(ctx, {
      ...statement,
      name: undefined,
      text: `FETCH ${batchRows} FROM streamed`,
    })
  })
}

async function rollbackAndRelease(ctx: Context, connection: Connection): Promise<void> {
  await connection.idle()
  await rollback(ctx, connection)
  connection.release(ctx)
}
