import { desc, eq, inArray, sql } from 'drizzle-orm'
import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'
import { notFound } from '../platform/problem.ts'
import { widgets, type NewWidget, type WidgetRow } from './widgets.schema.ts'

/** A place in the list of widgets: the last one that was seen. */
export interface WidgetPosition {
  readonly createdAt: Date
  readonly id: string
}

/** At most `limit` widgets, newest first, from behind `after` on. */
export function listWidgets(
  ctx: Context,
  db: Database,
  options: { limit: number; after: WidgetPosition | undefined },
): Promise<WidgetRow[]> {
  const { limit, after } = options
  // A comparison of rows is one range of the index; the same said with `or` is not.
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

/** @throws Problem 404 */
export async function findWidget(ctx: Context, db: Database, id: string): Promise<WidgetRow> {
  const [widget] = await db.run(ctx, (q) => q.select().from(widgets).where(eq(widgets.id, id)))
  if (widget === undefined) throw notFound(`no widget with the id ${id}`)
  return widget
}

/**
 * All rows or none, in the order given.
 * @throws CommitOutcomeUnknown if only the database knows which
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

/** Those of `ids` that have a row. */
export async function existingWidgets(ctx: Context, db: Database, ids: readonly string[]) {
  const rows = await db.run(ctx, (q) =>
    q
      .select({ id: widgets.id })
      .from(widgets)
      .where(inArray(widgets.id, [...ids])),
  )
  return rows.map((row) => row.id)
}
