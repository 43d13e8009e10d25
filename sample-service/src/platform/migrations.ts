import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { contextName, withTimeout, withValue, type Context } from '../context/context.ts'
import { sleep } from '../context/sleep.ts'
import type { Database } from './database.ts'
import type { Queries } from './database-queries.ts'
import type { Log } from './log.ts'

/** The same folder from src/platform and from dist/platform. */
export const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))

/** Tables that a library brings along, with migrations of its own. */
export interface Schema {
  /** The names of the migrations that the database lacks. */
  pending(ctx: Context, q: Queries): Promise<string[]>
  /** Applies them, in order. Each is there as a whole or not at all. */
  apply(ctx: Context, q: Queries): Promise<void>
}

/** Those that this service has beside drizzle/. */
export function schemas(): Schema[] {
  return []
}

/** How often it is looked whether another instance has done its migrations. */
const pollMs = 100

/**
 * Applies the migrations of a folder that the database lacks, all or none, then those of `schemas`. Any number of
 * instances may do so at once: one does, and the others wait for it and find nothing to do. When ctx ends, the running
 * statement is cancelled in Postgres and its transaction rolled back. The lock is the connection's: close `db` afterwards.
 * @param options.folder of the migrations, as drizzle-kit writes it
 * @param options.schemas none if not given
 * @param options.waitMs how long to wait for another instance
 * @returns the names of those it applied
 */
export async function applyMigrations(
  ctx: Context,
  log: Log,
  db: Database,
  options: { folder: string; schemas?: readonly Schema[]; waitMs: number },
): Promise<string[]> {
  return db.run(ctx, async (q) => {
    await lock(ctx, log, q, options.waitMs)
    const { pending } = await compare(q, options.folder)
    // It takes no other part of a handle than `execute` and what makes transactions on its one connection.
    if (pending.length > 0) await migrate(q as NodePgDatabase, { migrationsFolder: options.folder })
    for (const schema of options.schemas ?? []) {
      pending.push(...(await schema.pending(ctx, q)))
      await schema.apply(ctx, q)
    }
    return pending
  })
}

/**
 * Refuses a database that lacks migrations of `folder` or `schemas`. One that has more than these is taken, and said: so
 * it is while a new version is rolled out, and after it was rolled back.
 * @throws Error that names the migrations and what to run
 */
export async function requireMigrated(
  ctx: Context,
  log: Log,
  db: Database,
  folder: string,
  schemas: readonly Schema[] = [],
): Promise<void> {
  const { pending, unknown } = await db.run(ctx, async (q) => {
    const own = await compare(q, folder)
    for (const schema of schemas) own.pending.push(...(await schema.pending(ctx, q)))
    return own
  })
  if (pending.length > 0) {
    throw new Error(
      `the database lacks migrations (${pending.join(', ')}): run \`npm run db:migrate\`, or in the image \`node dist/migrate.js\``,
    )
  }
  if (unknown > 0) log.warn(ctx, 'the database is ahead of this version', { unknownMigrations: unknown })
}

/**
 * Asked for again and again rather than waited for in Postgres, so that each attempt is a short statement and what is
 * waited for can be said.
 */
async function lock(parent: Context, log: Log, q: Queries, waitMs: number): Promise<void> {
  const overdue = new Error(
    `another instance has been migrating for longer than ${waitMs} ms (STARTUP_TIMEOUT_MS)`,
  )
  using ctx = withTimeout(withValue(parent, contextName, 'migration lock'), waitMs, overdue)
  const attempt = sql`select pg_try_advisory_lock(hashtext('migrations of drizzle')) as held`
  for (let attempts = 1; ; attempts++) {
    const [row] = (await q.execute<{ held: boolean }>(attempt)).rows
    if (row?.held === true) return
    if (attempts === 1) log.info(ctx, 'waiting for another instance that migrates')
    await sleep(ctx, pollMs)
  }
}

/** The names of the migrations that the database lacks, and how many it has that are newer than all of ours. */
async function compare(q: Queries, folder: string): Promise<{ pending: string[]; unknown: number }> {
  const ours = await ownMigrations(folder)
  const [table] = (
    await q.execute<{ there: boolean }>(
      sql`select to_regclass('drizzle.__drizzle_migrations') is not null as there`,
    )
  ).rows
  const theirs =
    table?.there === true
      ? (await q.execute<{ at: string }>(sql`select created_at as at from drizzle.__drizzle_migrations`)).rows
      : []
  // drizzle applies what is newer than the newest that is there.
  const newest = Math.max(0, ...theirs.map(({ at }) => Number(at)))
  const ownNewest = Math.max(0, ...ours.map(({ at }) => at))
  return {
    pending: ours.filter(({ at }) => at > newest).map(({ name }) => name),
    unknown: theirs.filter(({ at }) => Number(at) > ownNewest).length,
  }
}

/** Oldest first, as drizzle-kit keeps them in its journal. */
async function ownMigrations(folder: string): Promise<{ name: string; at: number }[]> {
  const journal = await readFile(join(folder, 'meta/_journal.json'), 'utf8')
  const { entries } = JSON.parse(journal) as { entries: { tag: string; when: number }[] }
  return entries.map(({ tag, when }) => ({ name: tag, at: when }))
}
