import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import type { Context } from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { whileWaiting } from './answer.ts'
import { ensureSchema, explained, grantFor, needing } from './grants.ts'
import type { Transaction } from './transaction.ts'
import type { Database } from './database.ts'
import type { Log } from '../telemetry/log.ts'
import {
  difference,
  readMigrations,
  requireListed,
  requireOneTransaction,
  statementsOf,
  type Difference,
  type Migration,
} from './journal.ts'

/** The same folder from src/platform/database and from dist/platform/database. */
export const migrationsFolder = fileURLToPath(new URL('../../../drizzle', import.meta.url))

/** Tables of a library, which has migrations of its own. */
export interface Schema {
  /** The names of the migrations that the database lacks. */
  pending(ctx: Context, q: Transaction): Promise<string[]>
  /** Applies them, in order, in the transaction of `q`. */
  apply(ctx: Context, q: Transaction): Promise<void>
}

/** How often an instance looks whether another one has finished its migrations. */
const pollMs = 100

/**
 * Applies the migrations of a folder that the database lacks, in the order of the journal, then those of `schemas`: all of
 * them or none. Several instances may call it at once: one migrates, and the others wait for it and find nothing to do. When
 * ctx ends, the running statement is cancelled in Postgres and the transaction is rolled back.
 * @param options.folder of the migrations, as drizzle-kit writes it
 * @param options.schemas none if not given
 * @param options.waitMs how long to wait for another instance
 * @returns the names of the migrations that it applied
 * @throws Error that names a migration that was edited after it was applied, that the journal does not list, that ends its
 * transaction or failed, or a missing grant
 */
export async function applyMigrations(
  ctx: Context,
  log: Log,
  db: Database,
  options: { folder: string; schemas?: readonly Schema[]; waitMs: number },
): Promise<string[]> {
  const { folder, schemas = [], waitMs } = options
  const endsAt = performance.now() + waitMs
  let holder: unknown
  using _reminder = whileWaiting(() => {
    log.info(ctx, 'waiting for another instance that migrates', { pid: holder })
  })
  for (;;) {
    const applied = await db.transaction(ctx, async (q, ctx) => {
      holder = await lock(q)
      return holder === undefined ? applyMissing(ctx, q, folder, schemas) : undefined
    })
    if (applied !== undefined) return applied
    if (performance.now() > endsAt) {
      throw new Error(
        `another instance (pid ${String(holder)} of Postgres) has been migrating for longer than ${waitMs} ms (STARTUP_TIMEOUT_MS)`,
      )
    }
    await sleep(ctx, pollMs)
  }
}

/**
 * Refuses a database that lacks migrations of `folder` or `schemas`, or has one with another text. It accepts a newer schema
 * with a warning, because an older version meets one during a rollout and after a rollback.
 * @throws Error that names the migrations and the command to run
 */
export async function requireMigrated(
  ctx: Context,
  log: Log,
  db: Database,
  folder: string,
  schemas: readonly Schema[] = [],
): Promise<void> {
  const { pending, unknown } = await db.transaction(ctx, async (q, ctx) => {
    const { missing, unknown } = await compare(q, await readMigrations(folder), await recordsOf(q))
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

/**
 * Tries to take the lock of migrations. The lock ends with the transaction: a lock of the session would stay on a connection
 * that a pooler lends to others.
 * @returns undefined if it has the lock, else the pid of the backend that holds it, 0 if that has just ended
 */
async function lock(q: Transaction): Promise<number | undefined> {
  const { rows } = await q.execute<{ held: boolean; holder: number | null }>(
    sql`select pg_try_advisory_xact_lock(key) as held, (select pid from pg_locks
        where locktype = 'advisory' and granted and objsubid = 1 and (classid::bigint << 32) | objid::bigint = key
          and database = (select oid from pg_database where datname = current_database()) limit 1) as holder
      from (select hashtext('migrations of drizzle')::bigint as key) as migrations`,
  )
  return rows[0]?.held === true ? undefined : (rows[0]?.holder ?? 0)
}

async function applyMissing(
  ctx: Context,
  q: Transaction,
  folder: string,
  schemas: readonly Schema[],
): Promise<string[]> {
  const records = await recordsOf(q)
  const ours = await readMigrations(folder)
  await requireListed(folder, ours)
  const { missing } = await compare(q, ours, records)
  missing.forEach(requireOneTransaction)
  if (missing.length > 0 && !records.there) await makeRecords(q, records.role)
  for (const migration of missing) await apply(q, migration, records.role)
  const applied = missing.map(({ tag }) => tag)
  for (const schema of schemas) {
    applied.push(...(await schema.pending(ctx, q)))
    await schema.apply(ctx, q)
  }
  return applied
}

/** Drizzle's own table of applied migrations, so that drizzle-kit can go on with this database. */
const table = sql`drizzle.__drizzle_migrations`

interface Records {
  /** Whether the table exists. */
  readonly there: boolean
  /** The current role, quoted for SQL. */
  readonly role: string
}

/** Reads the catalogue, which every role may read. */
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
async function compare(
  q: Transaction,
  ours: readonly Migration[],
  { there, role }: Records,
): Promise<Difference> {
  const grant = `grant usage on schema drizzle to ${role}; grant select on drizzle.__drizzle_migrations to ${role}`
  const read = () =>
    q.execute<{ hash: string; when: string }>(sql`select hash, created_at as when from ${table}`)
  const rows = there ? (await needing(grant, read)).rows : []
  const found = difference(
    ours,
    rows.map(({ hash, when }) => ({ hash, when: Number(when) })),
  )
  if (found.edited.length > 0) {
    const tags = found.edited.map(({ tag }) => tag).join(', ')
    throw new Error(
      `migrations were edited after they had been applied (${tags}): undo the edit, and write a new migration (npm run db:generate)`,
    )
  }
  return found
}

async function apply(q: Transaction, { tag, text, hash, when }: Migration, role: string): Promise<void> {
  try {
    for (const statement of statementsOf(text)) await q.execute(sql.raw(statement))
  } catch (error) {
    throw explained(error, `the migration ${tag} failed: `, (reason) => grantFor(reason, role))
  }
  const grant = `grant insert on drizzle.__drizzle_migrations to ${role}; grant usage on all sequences in schema drizzle to ${role}`
  await needing(grant, () =>
    q.execute(sql`insert into ${table} (hash, created_at) values (${hash}, ${when})`),
  )
}
