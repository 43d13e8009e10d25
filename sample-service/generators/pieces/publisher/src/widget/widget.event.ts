import { z } from 'zod'
import type { Context } from '../context/context.ts'
import type { Queries } from '../platform/database/queries.ts'
import { publish, type EventKind } from '../platform/events/outbox.ts'

/** What the event says. An example to replace: consumers depend on it from the first event that is published. */
export const WidgetData = z.object({
  id: z.uuid(),
  text: z.string().min(1).max(200),
})

const widget: EventKind<typeof WidgetData> = {
  // Add fields freely. To remove one or change its meaning, add a version 2: docs/events.md says in which order.
  type: 'widget-v1',
  summary: 'It has happened: widget',
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
