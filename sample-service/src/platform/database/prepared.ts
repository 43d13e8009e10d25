import { sql, type Placeholder } from 'drizzle-orm'
import { queriesOver, type Queries } from './queries.ts'

/** The place of a value in a prepared query, by its name. */
export type Values<V> = <K extends keyof V & string>(name: K) => Placeholder<K, V[K]>

/** A query of drizzle, not yet executed. */
interface Preparable<T> {
  prepare(name: string): { execute(values?: Record<string, unknown>): Promise<T> }
}

/** Builds queries, and cannot execute them. */
const builder: Queries = queriesOver(() =>
  Promise.reject(new Error('a prepared query was executed without a connection')),
)

let count = 0

/**
 * Returns a query that drizzle builds once, not for each call, and that Postgres parses once for each connection:
 *
 *     const byId = prepared((q, value: Values<{ id: string }>) =>
 *       q.select().from(documents).where(eq(documents.id, value('id'))),
 *     )
 *     const [document] = await db.run(ctx, (q) => byId(q, { id }))
 *
 * Its text must not depend on the values. Behind a connection pooler Postgres parses it each time.
 */
export function prepared<V extends Record<string, unknown>, T>(
  build: (q: Queries, value: Values<V>) => Preparable<T>,
): (q: Queries, values: V) => Promise<T> {
  const name = `prepared_${++count}`
  let query: ReturnType<Preparable<T>['prepare']> | undefined
  const value: Values<V> = (name) => sql.placeholder(name) as Placeholder<typeof name, V[typeof name]>
  return (q, values) => {
    query ??= build(builder, value).prepare(name)
    // Drizzle executes a prepared query on the query's own `client`, so a copy gets the client of this call, drizzle's $client.
    const bound = Object.create(query) as typeof query & { client: unknown }
    bound.client = (q as Queries & { $client: unknown }).$client
    return bound.execute(values)
  }
}
