import { sql } from 'drizzle-orm'
import { getTableConfig, type PgColumn, type PgTable } from 'drizzle-orm/pg-core'
import type { Context } from '../../src/context/context.ts'
import type { Database } from '../../src/platform/database/database.ts'

/** Rows of one table. */
export interface Seed {
  readonly table: PgTable
  readonly rows: readonly Record<string, unknown>[]
}

/** The most parameters of one statement in Postgres's protocol. */
const mostParameters = 65_535

/** Rows of `table`, with the types of its columns. */
export function rows<T extends PgTable>(table: T, rows: readonly T['$inferInsert'][]): Seed {
  return { table, rows }
}

/**
 * Inserts the rows whose keys the tables lack, all or none; existing rows stay unchanged.
 * @returns for each table how many rows were inserted, and how many existed
 * @throws Error that names the table if one has no primary key, or a row of it has no value for it
 */
export async function plant(ctx: Context, db: Database, seeds: readonly Seed[]) {
  return db.transaction(ctx, async (q) => {
    const planted: { table: string; inserted: number; present: number }[] = []
    for (const { table, rows } of seeds) {
      const { name, columns } = getTableConfig(table)
      const target = keyOf(table, rows)
      const atOnce = Math.floor(mostParameters / columns.length)
      let inserted = 0
      for (let from = 0; from < rows.length; from += atOnce) {
        const part = rows.slice(from, from + atOnce)
        const insert = q.insert(table).values(part).onConflictDoNothing({ target })
        inserted += (await insert.returning({ one: sql`1` })).length
      }
      planted.push({ table: name, inserted, present: rows.length - inserted })
    }
    return planted
  })
}

/** The primary key, for which each row has a value. */
function keyOf(table: PgTable, rows: Seed['rows']): PgColumn[] {
  const { name, columns, primaryKeys } = getTableConfig(table)
  const key = primaryKeys[0]?.columns ?? columns.filter(({ primary }) => primary)
  if (key.length === 0)
    throw new Error(`the table ${name} has no primary key, by which a second run would find its rows`)
  // Rows have TypeScript's names, columns have Postgres's.
  const names = Object.entries(table).flatMap(([property, column]) =>
    key.includes(column as PgColumn) ? [property] : [],
  )
  const at = rows.findIndex((row) => names.some((name) => row[name] === undefined))
  if (at === -1) return key
  throw new Error(`row ${at + 1} of ${name} has no ${names.join(', ')}, by which a second run would find it`)
}
