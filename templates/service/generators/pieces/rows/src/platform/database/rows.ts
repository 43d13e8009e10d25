import { and, eq, getTableColumns, type InferSelectModel, type SQL } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import { QueryFailed } from './errors.ts'
import { Problem, badRequest } from '../problem.ts'

/** Some columns of a table, each with a value. */
export type SomeOf<T extends PgTable> = {
  readonly [K in keyof InferSelectModel<T>]?: InferSelectModel<T>[K] | undefined
}

/** That every column which is given has this value; undefined if none is. */
export function equalTo<T extends PgTable>(table: T, values: SomeOf<T>): SQL | undefined {
  const columns = getTableColumns(table)
  const given: [string, unknown][] = Object.entries(values)
  return and(
    ...given.flatMap(([name, value]) => {
      const column = columns[name]
      return column === undefined || value === undefined ? [] : [eq(column, value)]
    }),
  )
}

/**
 * For the `catch` of a statement that writes `table`, whose foreign keys Postgres knows best: a client that refers to what is
 * not there is told which field does, and one that deletes what others refer to, that it cannot.
 *
 *     db.run(ctx, (q) => q.insert(invoices).values(row)).catch(brokenReference(invoices))
 *
 * @returns what throws a Problem 400 or 409, or the failure as it came if it is another one
 */
export function brokenReference(table: PgTable): (failure: unknown) => never {
  return (failure) => {
    if (!(failure instanceof QueryFailed) || !/^23(503|001)$/.test(failure.sqlState ?? '')) throw failure
    const field = referringField(table, failure.constraint)
    if (field === undefined) {
      throw new Problem(409, 'Conflict', 'something else refers to it: delete or change that first', {
        cause: failure,
      })
    }
    throw badRequest('the request is invalid; see errors', [
      { field: `body.${field}`, message: 'refers to what is not there' },
    ])
  }
}

/** The name of the column that the foreign key of this name is about; undefined if it is a key of another table. */
function referringField(table: PgTable, constraint: string | undefined): string | undefined {
  // Postgres cuts names at 63 bytes.
  const key = getTableConfig(table).foreignKeys.find((one) => one.getName().slice(0, 63) === constraint)
  const column = key?.reference().columns[0]
  return Object.entries(getTableColumns(table)).find(([, one]) => one === column)?.[0]
}
