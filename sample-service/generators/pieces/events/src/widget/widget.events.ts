import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'
import type { Queries } from '../platform/database/queries.ts'
import { pageSize, type List } from '../platform/feed/feed.ts'
import type { ServerEvent } from '../platform/feed/sse.ts'
import { widgetEvents } from './widget.schema.ts'

/** The data of an event: an example to replace. */
export const WidgetEvent = z.object({
  text: z.string().max(200),
})

/**
 * Publishes an event in the caller's transaction: `await db.transaction(ctx, async (q, ctx) => { … })`. Clients get it when the
 * transaction has committed and every transaction that began to write earlier has ended. Deletes some events older than a day.
 * @throws ZodError
 */
export async function publishWidget(q: Queries, event: z.input<typeof WidgetEvent>): Promise<void> {
  await q.insert(widgetEvents).values({ data: WidgetEvent.parse(event) })
  await q.execute(sql`delete from ${widgetEvents} where ctid = any(array(
    select ctid from ${widgetEvents} where created_at < now() - interval '1 day' order by tx limit 10 for update skip locked))`)
}

/** The id of an event: the number of its transaction and its own, of 63 bits each. */
export const WidgetEventId = z
  .string()
  .regex(/^\d{1,19}-\d{1,19}$/, { error: 'must be the id of an event', abort: true })
  .refine((id) => id.split('-').every((part) => BigInt(part) < 2n ** 63n), 'must be the id of an event')

const newestPlace = `${2n ** 63n - 1n}-${2n ** 63n - 1n}`

/** The events that clients may get, in the order in which all of them get them. */
export function widgetList(db: Database): List<ServerEvent> {
  const final = sql`tx < pg_snapshot_xmin(pg_current_snapshot())`
  return {
    async after(ctx: Context, place: string) {
      const [tx, id] = place.split('-')
      const { rows } = await db.run(ctx, (q) =>
        q.execute<{ id: string; data: unknown }>(sql`select tx || '-' || id as id, data from ${widgetEvents}
          where (tx, id) > (${tx}::xid8, ${id}::bigint) and ${final} order by tx, widget_events.id limit ${pageSize}`),
      )
      return rows
    },
    async newest(ctx: Context, place = newestPlace) {
      const [tx, id] = place.split('-')
      const { rows } = await db.run(ctx, (q) =>
        q.execute<{ id: string }>(sql`select tx || '-' || id as id from ${widgetEvents}
          where (tx, id) <= (${tx}::xid8, ${id}::bigint) and ${final} order by tx desc, widget_events.id desc limit 1`),
      )
      return rows[0]?.id ?? '0-0'
    },
  }
}
