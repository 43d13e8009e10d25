import { integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/** One row for each widget. */
export const widgets = pgTable('widgets', {
  /** UUIDv7: the order of the ids is the order in which they were made. */
  id: uuid('id').primaryKey(),
  title: text('title').notNull(),
  /** 1, and one more with every change. */
  version: integer('version').notNull().default(1),
  /** By the database's clock, in the milliseconds that JavaScript can hold. */
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
})

export type WidgetRow = typeof widgets.$inferSelect
