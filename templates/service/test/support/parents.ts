import { randomUUID } from 'node:crypto'
import { getTableColumns } from 'drizzle-orm'
import { getTableConfig, type PgColumn, type PgTable } from 'drizzle-orm/pg-core'
import type { RunningService } from './service.ts'

/**
 * Inserts a row for each foreign key of `table` that is not nullable. Returns the references, by the column's name in TypeScript.
 */
export async function parentsOf(service: RunningService, table: PgTable): Promise<Record<string, unknown>> {
  const named = Object.entries(getTableColumns(table))
  const values: Record<string, unknown> = {}
  for (const key of getTableConfig(table).foreignKeys) {
    const { columns, foreignTable, foreignColumns } = key.reference()
    const name = named.find(([, column]) => column === columns[0])?.[0]
    if (name === undefined || columns[0]?.notNull !== true || foreignColumns[0] === undefined) continue
    values[name] = (await insertRow(service, foreignTable))[foreignColumns[0].name]
  }
  return values
}

/** Inserts a row with only the values that its table requires. */
async function insertRow(service: RunningService, table: PgTable): Promise<Record<string, unknown>> {
  const { name } = getTableConfig(table)
  const parents = await parentsOf(service, table)
  const values = Object.entries(getTableColumns(table)).flatMap(([key, column]) =>
    column.notNull && !column.hasDefault
      ? [
          {
            column: column.name,
            value: parents[key] ?? (isUnique(table, column) ? nextOf(column) : someOf(column)),
          },
        ]
      : [],
  )
  const columns = values.map(({ column }) => `"${column}"`).join(', ')
  const places = values.map((_, index) => `$${index + 1}`).join(', ')
  const [row] = await service.sql(
    `insert into "${name}" (${columns}) values (${places}) returning *`,
    values.map(({ value }) => value),
  )
  return row ?? {}
}

/** For each unique column a value that no other row has, as in JSON, by the column's name in TypeScript. */
export function uniqueOf(table: PgTable): Record<string, unknown> {
  const unique = Object.entries(getTableColumns(table)).filter(([, column]) => isUnique(table, column))
  return Object.fromEntries(unique.map(([name, column]) => [name, nextOf(column)]))
}

/** By itself, or among the rows of an owner. */
function isUnique(table: PgTable, column: PgColumn): boolean {
  return (
    column.isUnique ||
    getTableConfig(table).uniqueConstraints.some(({ columns }) => columns.at(-1)?.name === column.name)
  )
}

const numbers = (function* () {
  for (let n = 1; ; n++) yield n
})()

/** Another value each time. */
function nextOf(column: PgColumn): unknown {
  const n = numbers.next().value
  const type = column.getSQLType()
  if (type === 'uuid') return randomUUID()
  if (type === 'date') return new Date(n * 86_400_000).toISOString().slice(0, 10)
  if (type.startsWith('timestamp')) return new Date(n * 1_000).toISOString()
  if (/^(?:smallint|integer|bigint)$/.test(type)) return type === 'bigint' ? String(n) : n
  return n.toString(36).slice(-Number(/\((\d+)\)/.exec(type)?.[1] ?? 36))
}

/** A value that the column accepts; a new one each time if the column is text. */
function someOf(column: PgColumn): unknown {
  const type = column.getSQLType()
  if (type.endsWith(']')) return '{}'
  if (type === 'uuid') return randomUUID()
  if (type === 'boolean') return false
  if (type === 'jsonb' || type === 'json') return '{}'
  if (/^(?:date|timestamp)/.test(type)) return '2026-01-31'
  if (/^(?:smallint|integer|bigint|numeric|real|double)/.test(type)) return 0
  return column.enumValues?.[0] ?? randomUUID().slice(0, Number(/\((\d+)\)/.exec(type)?.[1] ?? 36))
}
