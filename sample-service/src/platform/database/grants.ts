import { sql } from 'drizzle-orm'
import { escapeIdentifier } from 'pg'
import { queryFailure } from './errors.ts'
import type { Queries } from './queries.ts'

/** Makes the schema `name` where there is none. Postgres asks for the right to make one even where there is one. */
export async function ensureSchema(q: Queries, name: string): Promise<void> {
  const { rows } = await q.execute<{ role: string; database: string; there: boolean }>(
    sql`select quote_ident(current_user) as role, quote_ident(current_database()) as database,
      exists (select from pg_namespace where nspname = ${name}) as there`,
  )
  const [row] = rows
  if (row === undefined || row.there) return
  const grant = `grant create on database ${row.database} to ${row.role}`
  await needing(grant, () => q.execute(sql`create schema ${sql.identifier(name)}`))
}

/** Runs `work`. @throws Error that names `grant`, where the role lacks it */
export async function needing<T>(grant: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw queryFailure(error)?.sqlState === '42501' ? explained(error, '', () => grant) : error
  }
}

/** What is to be granted on what Postgres says permission was denied for. It does not say which right of it. */
const grantable: Readonly<Record<string, string>> = {
  database: 'create on database',
  schema: 'usage, create on schema',
  table: 'all on table',
  view: 'all on table',
  sequence: 'all on sequence',
  function: 'execute on function',
  type: 'usage on type',
}

/** The grant to `role` that a statement of `reason`, Postgres's words, has lacked; undefined where they do not say. */
export function grantFor(reason: string, role: string): string | undefined {
  const [, kind = '', name = ''] = /^permission denied for (\w+) (.+)$/.exec(reason) ?? []
  const rights = grantable[kind]
  return rights === undefined ? undefined : `grant ${rights} ${quoted(name)} to ${role}`
}

/** Postgres's words leave out the quotes. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : escapeIdentifier(name)
}

/** What Postgres refused, in one sentence with `before` and the grant that is missing; any other error as it came. */
export function explained(
  error: unknown,
  before: string,
  grantOf: (reason: string) => string | undefined,
): unknown {
  const failure = queryFailure(error)
  if (failure === undefined) return error
  const grant = grantOf(failure.message)
  const advice = grant === undefined ? '' : `; have the owner run: ${grant}`
  return new Error(`${before}${failure.message}${advice}`, { cause: failure })
}
