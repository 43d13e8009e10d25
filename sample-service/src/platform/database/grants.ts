import { sql } from 'drizzle-orm'
import { escapeIdentifier } from 'pg'
import { queryFailure } from './errors.ts'
import type { Queries } from './queries.ts'

/** Creates the schema `name` if it does not exist. (`if not exists` needs the right to create one even if it does.) */
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

/** Calls `work`. @throws Error that names `grant` if the role lacks a right */
export async function needing<T>(grant: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw queryFailure(error)?.sqlState === '42501' ? explained(error, '', () => grant) : error
  }
}

/** What to grant, by the kind of object: Postgres's message names the object, but not the right. */
const grantable: Readonly<Record<string, string>> = {
  database: 'create on database',
  schema: 'usage, create on schema',
  table: 'all on table',
  view: 'all on table',
  sequence: 'all on sequence',
  function: 'execute on function',
  type: 'usage on type',
}

/** The grant that `role` lacks according to `reason`, Postgres's message; undefined if it does not say. */
export function grantFor(reason: string, role: string): string | undefined {
  const [, kind = '', name = ''] = /^permission denied for (\w+) (.+)$/.exec(reason) ?? []
  const rights = grantable[kind]
  return rights === undefined ? undefined : `grant ${rights} ${quoted(name)} to ${role}`
}

/** Postgres's message names the object without quotes. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : escapeIdentifier(name)
}

/** A QueryFailed as one sentence: `before`, Postgres's message and the missing grant. Any other error is returned as it is. */
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
