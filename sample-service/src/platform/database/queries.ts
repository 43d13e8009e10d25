import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { PoolClient, QueryConfig, QueryResult } from 'pg'
import type { Context } from '../../context/context.ts'
import type { Connection } from './connection.ts'

/** Drizzle on the one connection of a call. `transaction` is missing on purpose: drizzle's leaks clients, ours does not. */
export type Queries = Omit<NodePgDatabase, 'transaction' | '$client'>

/** Why a query handle may not be used just now; undefined while it may. */
export interface Gate {
  refusal: string | undefined
}

/** Drizzle over `query`: it calls nothing else of what it takes for a node-postgres client. */
export function queriesOver(
  query: (statement: QueryConfig, values: unknown[]) => Promise<QueryResult>,
): NodePgDatabase {
  const client = {
    query: (statement: QueryConfig, values: unknown[]) =>
      query(statement, values).catch((failure: unknown) => {
        // The message of drizzle's own error is about to hold this array, and errors are logged.
        values.length = 0
        throw failure
      }),
  }
  return drizzle(client as unknown as PoolClient)
}

/** Gives `work` a query handle that is dead when `work` has returned, and waits for what it left running. */
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
