import { desc, eq, inArray, sql } from 'drizzle-orm'
import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'
import { prepared, type Values } from '../platform/database/prepared.ts'
import { notFound } from '../platform/problem.ts'
import { documents, type NewDocument, type DocumentRow } from './documents.schema.ts'

/** A position in the list of documents: the last document of a page. */
export interface DocumentPosition {
  readonly createdAt: Date
  readonly id: string
}

/** Lists at most `limit` documents, newest first, beginning after `after`. */
export function listDocuments(
  ctx: Context,
  db: Database,
  options: { limit: number; after: DocumentPosition | undefined },
): Promise<DocumentRow[]> {
  const { limit, after } = options
  // Postgres reads a comparison of rows as one range of the index, but not the same condition with `or`.
  const behind =
    after &&
    sql`(${documents.createdAt}, ${documents.id}) < (${after.createdAt.toISOString()}::timestamptz, ${after.id}::uuid)`
  const newestFirst = [desc(documents.createdAt), desc(documents.id)]
  return db.run(ctx, (q) =>
    q
      .select()
      .from(documents)
      .where(behind)
      .orderBy(...newestFirst)
      .limit(limit),
  )
}

/** Built once, where a query in `db.run` is built for each call. */
const byId = prepared((q, value: Values<{ id: string }>) =>
  q
    .select()
    .from(documents)
    .where(eq(documents.id, value('id'))),
)

/** @throws Problem 404 */
export async function findDocument(ctx: Context, db: Database, id: string): Promise<DocumentRow> {
  const [document] = await db.run(ctx, (q) => byId(q, { id }))
  if (document === undefined) throw notFound(`no document with the id ${id}`)
  return document
}

/**
 * Inserts all rows or none, and returns them in the order given.
 * @throws CommitOutcomeUnknown if the connection was lost before Postgres confirmed the COMMIT
 */
export async function insertDocuments(
  ctx: Context,
  db: Database,
  rows: readonly NewDocument[],
): Promise<DocumentRow[]> {
  const inserted = await db.transaction(ctx, (q) =>
    q
      .insert(documents)
      .values([...rows])
      .returning(),
  )
  const byId = new Map(inserted.map((row) => [row.id, row]))
  return rows.flatMap((row) => byId.get(row.id) ?? [])
}

/** @throws Problem 404 */
export async function deleteDocument(ctx: Context, db: Database, id: string): Promise<DocumentRow> {
  const [document] = await db.run(ctx, (q) => q.delete(documents).where(eq(documents.id, id)).returning())
  if (document === undefined) throw notFound(`no document with the id ${id}`)
  return document
}

/** Returns those of `ids` that have a row. */
export async function existingDocuments(ctx: Context, db: Database, ids: readonly string[]) {
  const rows = await db.run(ctx, (q) =>
    q
      .select({ id: documents.id })
      .from(documents)
      .where(inArray(documents.id, [...ids])),
  )
  return rows.map((row) => row.id)
}
