import { and, eq, getTableColumns, type InferSelectModel, type SQL } from 'drizzle-orm'
import { getTableConfig, type PgColumn, type PgTable } from 'drizzle-orm/pg-core'
import { QueryFailed } from './errors.ts'
import { Problem, badRequest } from '../problem.ts'

/** Some columns of a table, each with a value. */
export type SomeOf<T extends PgTable> = {
  readonly [K in keyof InferSelectModel<T>]?: InferSelectModel<T>[K] | undefined
}

/** The condition that each given column has its value; undefined if none is given. */
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
 * For the `catch` of a statement that writes `table`. Postgres checks the constraints, and the one that the statement violates
 * becomes a Problem: 400 for a field that refers to no row, 409 for a value of a unique field that another row has, and 409 for
 * the deletion of a row that others refer to. Any other failure is thrown unchanged.
 *
 *     db.run(ctx, (q) => q.insert(invoices).values(row)).catch(constraintProblem(invoices))
 */
export function constraintProblem(table: PgTable): (failure: unknown) => never {
  return (failure) => {
    if (!(failure instanceof QueryFailed)) throw failure
    const { sqlState = '', constraint = '' } = failure
    if (sqlState === '23505') {
      const field = uniqueField(table, constraint)
      if (field === undefined) throw failure
      const errors = [{ field: `body.${field}`, message: 'another row has this value' }]
      throw new Problem(409, 'Conflict', 'the request conflicts with another row; see errors', {
        errors,
        cause: failure,
      })
    }
    if (!/^23(503|001)$/.test(sqlState)) throw failure
    const key = getTableConfig(table).foreignKeys.find((one) => cut(one.getName()) === constraint)
    const field = nameOf(table, (column) => column === key?.reference().columns[0])
    if (field === undefined) {
      throw new Problem(409, 'Conflict', 'another row refers to it: delete or change that row first', {
        cause: failure,
      })
    }
    throw badRequest('the request is invalid; see errors', [
      { field: `body.${field}`, message: 'refers to a row that does not exist' },
    ])
  }
}

/** Returns the field of a unique constraint: its last column, because those before it, such as the owner, are not fields. */
function uniqueField(table: PgTable, constraint: string): string | undefined {
  const several = getTableConfig(table).uniqueConstraints.find((one) => cut(one.getName()) === constraint)
  return nameOf(table, (column) =>
    several === undefined
      ? column.isUnique && cut(column.uniqueName) === constraint
      : column.name === several.columns.at(-1)?.name,
  )
}

/** The name in TypeScript of the column that `is` finds. */
function nameOf(table: PgTable, is: (column: PgColumn) => boolean): string | undefined {
  return Object.entries(getTableColumns(table)).find(([, column]) => is(column))?.[0]
}

/** Postgres truncates names at 63 bytes. */
function cut(name: string | undefined): string | undefined {
  return name?.slice(0, 63)
}
