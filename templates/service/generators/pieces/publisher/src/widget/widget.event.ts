import { z } from 'zod'
import type { Context } from '../context/context.ts'
import type { Queries } from '../platform/database/queries.ts'
import { publish, type EventKind } from '../platform/events/outbox.ts'

/** The data of the event, an example to replace. Consumers depend on it from the first published event on. */
export const WidgetData = z.object({
  id: z.uuid(),
  text: z.string().min(1).max(200),
})

const widget: EventKind<typeof WidgetData> = {
  // Add fields freely. To remove one or change its meaning, add a version 2: docs/events.md says in which order.
  type: 'widget-v1',
  summary: 'An event of widget',
  data: WidgetData,
  key: ({ id }) => id,
}

/** The event, for `/asyncapi.json`. */
export function widgetEvent(): EventKind {
  return widget
}

/**
 * Publishes the event in the caller's transaction: `await db.transaction(ctx, async (q, ctx) => { … })`. A rollback removes
 * it. @returns the event's id @throws ZodError
 */
export function publishWidget(ctx: Context, q: Queries, data: z.input<typeof WidgetData>): Promise<string> {
  return publish(ctx, q, widget, data)
}
