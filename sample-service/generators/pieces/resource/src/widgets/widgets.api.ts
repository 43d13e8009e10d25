import { z } from 'zod'
import { integerParameter, text } from '../platform/http/values.ts'
import type { WidgetRow } from './widgets.schema.ts'

/** What clients say of a widget, all of it in each change. */
export const WidgetFields = z.strictObject({
  title: text(),
})

/** A widget as clients see it. */
export const Widget = z.object({
  id: z.uuid(),
  title: z.string(),
  version: z.int().positive().describe('What the ETag holds'),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})

/** What a list can be narrowed down to: widgets that are equal in each field given. */
export const WidgetFilter = z.strictObject({
  title: text().optional(),
})

/** What a list is asked by: the filter, and which page. */
export const WidgetQuery = WidgetFilter.extend({
  limit: integerParameter(1, 100)
    .default(20)
    .meta({ override: { default: 20 } }),
  cursor: z.uuid('expected the nextCursor of an answer, as it was sent').optional(),
})

/** One page of the list. */
export const WidgetPage = z.object({ widgets: z.array(Widget), nextCursor: z.string().nullable() })

export type WidgetFields = z.output<typeof WidgetFields>
export type Widget = z.output<typeof Widget>
export type WidgetFilter = z.output<typeof WidgetFilter>
export type WidgetQuery = z.output<typeof WidgetQuery>
export type WidgetPage = z.output<typeof WidgetPage>

/** A row, without what clients need not know. */
export function toWidget(row: WidgetRow): Widget {
  return {
    id: row.id,
    title: row.title,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}
