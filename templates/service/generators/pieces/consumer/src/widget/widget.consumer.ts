import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context/context.ts'
import type { Transaction } from '../platform/database/transaction.ts'
import { consumer, type Consumer, type Event } from '../platform/events/consumer.ts'
import type { Platform } from '../platform/platform.ts'

/** The data that this service reads, an example to replace. Name only what you need, so that the publisher can add fields. */
export const WidgetRead = z.object({
  id: z.string(),
  text: z.string(),
})

/** Makes the consumer that the worker runs. */
export function widgetConsumer(platform: Platform): Consumer {
  return consumer({ type: 'widget-v1', data: WidgetRead, timeoutMs: 30_000 }, (ctx, event, q) =>
    handleWidget(ctx, platform, event, q),
  )
}

/**
 * Handles one event. What `q` writes commits together with the mark that the event was handled. When ctx ends (its time is over,
 * or the server stops), the statement is cancelled in Postgres and this rejects; the event is then handled from the start.
 */
async function handleWidget(
  ctx: Context,
  { log }: Platform,
  { key, data }: Event<z.output<typeof WidgetRead>>,
  q: Transaction,
): Promise<void> {
  const { rows } = await q.execute<{ length: number }>(sql`select char_length(${data.text}::text) as length`)
  log.info(ctx, 'widget', { key, length: rows[0]?.length })
}
