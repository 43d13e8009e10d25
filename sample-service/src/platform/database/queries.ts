import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { PoolClient, QueryConfig, QueryResult } from 'pg'
import type { Context } from '../../context/context.ts'
import type { Connection } from './connection.ts'

/** Drizzle on the one connection of a call. Without drizzle's `transaction`, which leaks clients: use `db.transaction`. */
export type Queries = Omit<NodePgDatabase, 'transaction' | '$client'>

/** Why a query handle cannot be used now; undefined while it can. */
export interface Gate {
  refusal: string | undefined
}

/** Drizzle over `query`, which is all that it calls of a node-postgres client. */
export function queriesOver(
  query: (statement: QueryConfig, values: unknown[]) => Promise<QueryResult>,
): NodePgDatabase {
  const client = {
    query: (statement: QueryConfig, values: unknown[]) =>
      query(statement, values).catch((failure: unknown) => {
        // Drizzle's own error will hold this array, and errors are logged.
        values.length = 0
        throw failure
      }),
  }
  return drizzle(client as unknown as PoolClient)
}

/** Calls `work` with a query handle that is valid only until `work` returns, and waits for statements that it left running. */
export async function within<T>(
  ctx: Context,
  connection: Connection,
  work: (q: Queries, gate: Gate) => Promise<T>,
): Promise<T> {
  const gate: Gate = { refusal: undefined }
  const q = queriesOver((statement, values) =>
    gate.refusal === undefined
      ? connection.execute(ctx, statement, values)
      : Promise.reject(new Error(gate.refusal)),
  )
  try {
    return await work(q, gate)
  } finally {
    gate.refusal = 'a query handle was used after its db.run or db.transaction had returned'
    await connection.idle()
  }
}
