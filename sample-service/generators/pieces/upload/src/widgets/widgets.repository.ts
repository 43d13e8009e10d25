import { desc, eq, inArray, sql } from 'drizzle-orm'
import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'
import { prepared, type Values } from '../platform/database/prepared.ts'
import { notFound } from '../platform/problem.ts'
import { widgets, type NewWidget, type WidgetRow } from './widgets.schema.ts'

/** A position in the list of widgets: the last widget of a page. */
export interface WidgetPosition {
  readonly createdAt: Date
  readonly id: string
}

/** Lists at most `limit` widgets, newest first, beginning after `after`. */
export function listWidgets(
  ctx: Context,
  db: Database,
  options: { limit: number; after: WidgetPosition | undefined },
): Promise<WidgetRow[]> {
  const { limit, after } = options
  // Postgres reads a comparison of rows as one range of the index, but not the same condition with `or`.
  const behind =
    after &&
    sql`(${widgets.createdAt}, ${widgets.id}) < (${after.createdAt.toISOString()}::timestamptz, ${after.id}::uuid)`
  const newestFirst = [desc(widgets.createdAt), desc(widgets.id)]
  return db.run(ctx, (q) =>
    q
      .select()
      .from(widgets)
      .where(behind)
      .orderBy(...newestFirst)
      .limit(limit),
  )
}

/** Built once, where a query in `db.run` is built for each call. */
const byId = prepared((q, value: Values<{ id: string }>) =>
  q
    .select()
    .from(widgets)
    .where(eq(widgets.id, value('id'))),
)

/** @throws Problem 404 */
export async function findWidget(ctx: Context, db: Database, id: string): Promise<WidgetRow> {
  const [widget] = await db.run(ctx, (q) => byId(q, { id }))
  if (widget === undefined) throw notFound(`no widget with the id ${id}`)
  return widget
}

/**
 * Inserts all rows or none, and returns them in the order given.
 * @throws CommitOutcomeUnknown if the connection was lost before Postgres confirmed the COMMIT
 */
export async function insertWidgets(
  ctx: Context,
  db: Database,
  rows: readonly NewWidget[],
): Promise<WidgetRow[]> {
  const inserted = await db.transaction(ctx, (q) =>
    q
      .insert(widgets)
      .values([...rows])
      .returning(),
  )
  const byId = new Map(inserted.map((row) => [row.id, row]))
  return rows.flatMap((row) => byId.get(row.id) ?? [])
}

/** @throws Problem 404 */
export async function deleteWidget(ctx: Context, db: Database, id: string): Promise<WidgetRow> {
  const [widget] = await db.run(ctx, (q) => q.delete(widgets).where(eq(widgets.id, id)).returning())
  if (widget === undefined) throw notFound(`no widget with the id ${id}`)
  return widget
}

/** Returns those of `ids` that have a row. */
export async function existingWidgets(ctx: Context, db: Database, ids: readonly string[]) {
  const rows = await db.run(ctx, (q) =>
    q
      .select({ id: widgets.id })
      .from(widgets)
      .where(inArray(widgets.id, [...ids])),
  )
  return rows.map((row) => row.id)
}
