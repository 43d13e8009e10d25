import { z } from 'zod'
import { integerParameter, text } from '../platform/http/values.ts'
import type { WidgetRow } from './widgets.schema.ts'

/** The fields that clients send; a change sends all of them. */
export const WidgetFields = z.strictObject({
  title: text(),
})

/** A widget in answers. */
export const Widget = z.object({
  id: z.uuid(),
  title: z.string(),
  version: z.int().positive().describe('The version in the ETag'),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})

/** The filter of a list: it returns the widgets that have each given value. */
export const WidgetFilter = z.strictObject({
  title: text().optional(),
})

/** The query of a list: the filter, and the page. */
export const WidgetQuery = WidgetFilter.extend({
  limit: integerParameter(1, 100)
    .default(20)
    .meta({ override: { default: 20 } }),
  cursor: z.uuid('must be the nextCursor of an answer').optional(),
})

/** One page of the list. */
export const WidgetPage = z.object({ widgets: z.array(Widget), nextCursor: z.string().nullable() })

export type WidgetFields = z.output<typeof WidgetFields>
export type Widget = z.output<typeof Widget>
export type WidgetFilter = z.output<typeof WidgetFilter>
export type WidgetQuery = z.output<typeof WidgetQuery>
export type WidgetPage = z.output<typeof WidgetPage>

/** Makes the answer for a row. */
export function toWidget(row: WidgetRow): Widget {
  return {
    id: row.id,
    title: row.title,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}
