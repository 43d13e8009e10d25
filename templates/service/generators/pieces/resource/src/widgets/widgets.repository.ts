import { and, desc, eq, inArray, lt, notInArray, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'
import { prepared, type Values } from '../platform/database/prepared.ts'
import { preconditionFailed, type Versions } from '../platform/http/etag.ts'
import { notFound } from '../platform/problem.ts'
import { constraintProblem, equalTo } from '../platform/database/rows.ts'
import type { WidgetFields, WidgetFilter } from './widgets.api.ts'
import { widgets, type WidgetRow } from './widgets.schema.ts'

/** Lists at most `limit` widgets that match `filter`, newest first, beginning after the id `after`. */
export function listWidgets(
  ctx: Context,
  db: Database,
  options: { filter: WidgetFilter; limit: number; after: string | undefined },
): Promise<WidgetRow[]> {
  const { filter, limit, after } = options
  const behind = after === undefined ? undefined : lt(widgets.id, after)
  return db.run(ctx, (q) =>
    q
      .select()
      .from(widgets)
      .where(and(equalTo(widgets, filter), behind))
      .orderBy(desc(widgets.id))
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

/** @throws Problem 400 that names a field which refers to a missing row, 409 for a value that another widget has */
export async function insertWidget(ctx: Context, db: Database, fields: WidgetFields): Promise<WidgetRow> {
  const [widget] = await db
    .run(ctx, (q) =>
      q
        .insert(widgets)
        .values({ id: uuidv7(), ...fields })
        .returning(),
    )
    .catch(constraintProblem(widgets))
  if (widget === undefined) throw new Error('an insert of one row returned none')
  return widget
}

/**
 * Replaces the fields of the widget by `fields`, if it has one of `versions`.
 * @throws Problem 400 that names a field which refers to a missing row, 404, 409 for a value that another widget has, 412
 */
export async function updateWidget(
  ctx: Context,
  db: Database,
  id: string,
  fields: WidgetFields,
  versions: Versions,
): Promise<WidgetRow> {
  const changes = { ...fields, version: sql`${widgets.version} + 1`, updatedAt: sql`now()` }
  const [widget] = await db
    .run(ctx, (q) => q.update(widgets).set(changes).where(hasVersion(id, versions)).returning())
    .catch(constraintProblem(widgets))
  return widget ?? refuse(ctx, db, id)
}

/** Deletes the widget, if it has one of `versions`. @throws Problem 404, 409 if another row refers to it, 412 */
export async function deleteWidget(
  ctx: Context,
  db: Database,
  id: string,
  versions: Versions,
): Promise<WidgetRow> {
  const [widget] = await db
    .run(ctx, (q) => q.delete(widgets).where(hasVersion(id, versions)).returning())
    .catch(constraintProblem(widgets))
  return widget ?? refuse(ctx, db, id)
}

function hasVersion(id: string, { only, except }: Versions) {
  return and(
    eq(widgets.id, id),
    only && inArray(widgets.version, [...only]),
    except.length === 0 ? undefined : notInArray(widgets.version, [...except]),
  )
}

/** Throws the reason why a change found no row: it is missing, or has another version now. */
async function refuse(ctx: Context, db: Database, id: string): Promise<never> {
  const { version } = await findWidget(ctx, db, id)
  throw preconditionFailed(
    `the widget is at version ${version} now, which the request does not accept: read it again`,
  )
}
