import { afterFunc, cause, type Context } from '../../context/context.ts'
import type { Connection } from './connection.ts'
import { plain } from './errors.ts'
import { queriesOver, type Queries } from './queries.ts'
import { begin, rollback } from './transaction.ts'

/** A query that can be executed again and again, as drizzle's select builders can, and a promise cannot. */
export interface RowQuery<T> {
  execute(): Promise<T[]>
}

export interface StreamOptions {
  /** How many rows are fetched at a time, and so are in memory at most. 100 if not given. */
  readonly batchRows?: number
}

/**
 * The rows of one select through a cursor in a read-only transaction. Takes `connection` over, and gives it back when
 * the rows are at an end, the consumer stops, or ctx ends, even if the consumer never asks for another row.
 */
export async function* streamRows<T>(
  ctx: Context,
  connection: Connection,
  select: (q: Queries) => RowQuery<T>,
  { batchRows = 100 }: StreamOptions,
): AsyncGenerator<T, void> {
  let closing: Promise<void> | undefined
  const stop = afterFunc(ctx, () => {
    closing ??= giveBack(ctx, connection)
  })
  try {
    // All rows are wanted: without this Postgres plans for the first tenth of them.
    await begin(ctx, connection, 'BEGIN READ ONLY; SET LOCAL cursor_tuple_fraction = 1')
    const query = select(fetching(ctx, connection, batchRows))
    for (let rows; (rows = await query.execute()).length > 0;) {
      for (const row of rows) {
        const ended = cause(ctx)
        if (ended !== undefined) throw ended
        yield row
      }
    }
  } catch (error) {
    throw plain(error)
  } finally {
    stop()
    await (closing ??= giveBack(ctx, connection))
  }
}

/** Drizzle on a cursor: the first execution of a query declares it, and each fetches the next rows, in drizzle's types. */
function fetching(ctx: Context, connection: Connection, batchRows: number): Queries {
  // FETCH 0 would be answered with no row, as if the rows were at an end.
  if (!Number.isInteger(batchRows) || batchRows < 1)
    throw new RangeError(`batchRows: expected a whole number above 0, got ${batchRows}`)
  let declared = false
  return queriesOver(async (statement, values) => {
    if (!declared) {
      const text = `DECLARE streamed NO SCROLL CURSOR FOR ${statement.text}`
      await connection.execute(ctx, { text }, values)
      declared = true
    }
    // Not under the name of a prepared select: the next to prepare it on this connection would get this instead.
    return connection.execute(ctx, {
      ...statement,
      name: undefined,
      text: `FETCH ${batchRows} FROM streamed`,
    })
  })
}

async function giveBack(ctx: Context, connection: Connection): Promise<void> {
  await connection.idle()
  await rollback(ctx, connection)
  connection.release()
}
