import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { difference, readMigrations } from '../../src/platform/database/journal.ts'
import { root } from '../dev/service-process.ts'
import { builtInFolder } from './built-in.ts'
import { withClient } from './client.ts'

/** The file with the names of the migrations that the built-in PostgreSQL may have, by time; the database itself has no names. */
const namesFile = join(builtInFolder, 'migrations.json')
const drizzle = join(root, 'drizzle')

/** What to do about them. */
export const emptyAdvice = 'to begin with an empty database, stop npm run dev and delete .data/postgres'

/** Saves the names of the migrations that drizzle/ has now, for unknownMigrations(). */
export async function keepMigrationNames(): Promise<void> {
  const names = await keptNames()
  for (const { tag, when } of await readMigrations(drizzle)) names[when] = tag
  await mkdir(dirname(namesFile), { recursive: true })
  await writeFile(namesFile, JSON.stringify(names))
}

/** A sentence that names the migrations that the built-in PostgreSQL at `url` has and drizzle/ lacks. Undefined if none. */
export async function unknownMigrations(url: string): Promise<string | undefined> {
  const ours = await readMigrations(drizzle)
  const applied = await appliedMigrations(url)
  const unknown = applied.filter((one) => difference(ours, [one]).unknown > 0)
  if (unknown.length === 0) return undefined
  const names = await keptNames()
  const listed = unknown.map(({ when }) => names[when] ?? `one made at ${new Date(when).toISOString()}`)
  return `the database has migrations that drizzle/ lacks: ${listed.join(', ')}`
}

async function keptNames(): Promise<Record<string, string>> {
  const text = await readFile(namesFile, 'utf8').catch(() => '{}')
  try {
    return JSON.parse(text) as Record<string, string>
  } catch {
    return {}
  }
}

async function appliedMigrations(url: string): Promise<{ hash: string; when: number }[]> {
  const statement = 'select hash, created_at as when from drizzle.__drizzle_migrations order by created_at'
  try {
    const { rows } = await withClient(url, 2_000, (client) =>
      client.query<{ hash: string; when: string }>(statement),
    )
    return rows.map(({ hash, when }) => ({ hash, when: Number(when) }))
  } catch (error) {
    // No migration has been applied: the table or its schema is missing.
    if (error instanceof pg.DatabaseError && ['42P01', '3F000'].includes(error.code ?? '')) return []
    throw error
  }
}
