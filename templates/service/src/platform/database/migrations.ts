import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import type { Context } from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { ensureSchema, explained, grantFor, needing } from './grants.ts'
import type { Transaction } from './transaction.ts'
import type { Database } from './database.ts'
import type { Log } from '../telemetry/log.ts'
import { difference, readMigrations, type Difference, type Migration } from './journal.ts'

/** The same folder from src/platform and from dist/platform. */
export const migrationsFolder = fileURLToPath(new URL('../../../drizzle', import.meta.url))

/** Tables that a library brings along, with migrations of its own. */
export interface Schema {
  /** The names of the migrations that the database lacks. */
  pending(ctx: Context, q: Transaction): Promise<string[]>
  /** Applies them, in order, within the transaction of `q`. */
  apply(ctx: Context, q: Transaction): Promise<void>
}

/** How often an instance looks whether another one has done its migrations. */
const pollMs = 100

/**
 * Applies the migrations of a folder that the database lacks, in the order of the journal, then those of `schemas`: all of them
 * or none. Any number of instances may do so at once: one does, and the others wait for it and find nothing to do. When ctx
 * ends, the running statement is cancelled in Postgres and the transaction rolled back. The lock is the transaction's: nothing
 * of it stays, also behind a pooler that lends its connections by transactions.
 * @param options.folder of the migrations, as drizzle-kit writes it
 * @param options.schemas none if not given
 * @param options.waitMs how long to wait for another instance
 * @returns the names of those it applied
 * @throws Error that names a migration whose text has changed since it was applied, one that failed, or the grant that is missing
 */
export async function applyMigrations(
  ctx: Context,
  log: Log,
  db: Database,
  options: { folder: string; schemas?: readonly Schema[]; waitMs: number },
): Promise<string[]> {
  const { folder, schemas = [], waitMs } = options
  const endsAt = performance.now() + waitMs
  for (let attempts = 1; ; attempts++) {
    const applied = await db.transaction(ctx, async (q, ctx) =>
      (await lock(q)) ? applyMissing(ctx, q, folder, schemas) : undefined,
    )
    if (applied !== undefined) return applied
    if (attempts === 1) log.info(ctx, 'waiting for another instance that migrates')
    if (performance.now() > endsAt) {
      throw new Error(`another instance has been migrating for longer than ${waitMs} ms (STARTUP_TIMEOUT_MS)`)
    }
    await sleep(ctx, pollMs)
  }
}

/**
 * Refuses a database that lacks migrations of `folder` or `schemas`, or has one with another text. One that has more than
 * these is taken, and said: so it is while a new version is rolled out, and after it was rolled back.
 * @throws Error that names the migrations and what to run
 */
export async function requireMigrated(
  ctx: Context,
  log: Log,
  db: Database,
  folder: string,
  schemas: readonly Schema[] = [],
): Promise<void> {
  const { pending, unknown } = await db.transaction(ctx, async (q, ctx) => {
    const { missing, unknown } = await compare(q, folder, await recordsOf(q))
    const pending = missing.map(({ tag }) => tag)
    for (const schema of schemas) pending.push(...(await schema.pending(ctx, q)))
    return { pending, unknown }
  })
  if (pending.length > 0) {
    throw new Error(
      `the database lacks migrations (${pending.join(', ')}): run \`npm run db:migrate\`, or in the image \`node dist/migrate.js\``,
    )
  }
  if (unknown > 0) log.warn(ctx, 'the database is ahead of this version', { unknownMigrations: unknown })
}

/** Asked for again and again rather than waited for in Postgres: each attempt is a short transaction. */
async function lock(q: Transaction): Promise<boolean> {
  const attempt = sql`select pg_try_advisory_xact_lock(hashtext('migrations of drizzle')) as held`
  const { rows } = await q.execute<{ held: boolean }>(attempt)
  return rows[0]?.held === true
}

async function applyMissing(
  ctx: Context,
  q: Transaction,
  folder: string,
  schemas: readonly Schema[],
): Promise<string[]> {
  const records = await recordsOf(q)
  const { missing } = await compare(q, folder, records)
  if (missing.length > 0 && !records.there) await makeRecords(q, records.role)
  for (const migration of missing) await apply(q, migration, records.role)
  const applied = missing.map(({ tag }) => tag)
  for (const schema of schemas) {
    applied.push(...(await schema.pending(ctx, q)))
    await schema.apply(ctx, q)
  }
  return applied
}

/** Where drizzle records what is applied: its own table, so that drizzle-kit goes on with this database, too. */
const table = sql`drizzle.__drizzle_migrations`

interface Records {
  readonly there: boolean
  /** The role that asks, quoted for SQL. */
  readonly role: string
}

/** Asks the catalogue, which everybody may read. */
async function recordsOf(q: Transaction): Promise<Records> {
  const { rows } = await q.execute<{ role: string; there: boolean }>(
    sql`select quote_ident(current_user) as role, exists (select from pg_class join pg_namespace n on n.oid = relnamespace
      where relname = '__drizzle_migrations' and nspname = 'drizzle') as there`,
  )
  return { there: rows[0]?.there === true, role: rows[0]?.role ?? '' }
}

async function makeRecords(q: Transaction, role: string): Promise<void> {
  await ensureSchema(q, 'drizzle')
  await needing(`grant usage, create on schema drizzle to ${role}`, () =>
    q.execute(sql`create table ${table} (id serial primary key, hash text not null, created_at bigint)`),
  )
}

/** @throws Error that names the migrations whose text has changed since they were applied */
async function compare(q: Transaction, folder: string, { there, role }: Records): Promise<Difference> {
  const grant = `grant usage on schema drizzle to ${role}; grant select on drizzle.__drizzle_migrations to ${role}`
  const read = () =>
    q.execute<{ hash: string; when: string }>(sql`select hash, created_at as when from ${table}`)
  const rows = there ? (await needing(grant, read)).rows : []
  const found = difference(
    await readMigrations(folder),
    rows.map(({ hash, when }) => ({ hash, when: Number(when) })),
  )
  if (found.edited.length > 0) {
    const tags = found.edited.map(({ tag }) => tag).join(', ')
    throw new Error(
      `migrations were edited after they had been applied (${tags}): take the edit back, and make a new migration (npm run db:generate)`,
    )
  }
  return found
}

async function apply(q: Transaction, { tag, text, hash, when }: Migration, role: string): Promise<void> {
  try {
    for (const statement of text.split('--> statement-breakpoint')) await q.execute(sql.raw(statement))
  } catch (error) {
    throw explained(error, `the migration ${tag} failed: `, (reason) => grantFor(reason, role))
  }
  const grant = `grant insert on drizzle.__drizzle_migrations to ${role}; grant usage on all sequences in schema drizzle to ${role}`
  await needing(grant, () =>
    q.execute(sql`insert into ${table} (hash, created_at) values (${hash}, ${when})`),
  )
}
