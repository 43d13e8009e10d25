import { integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/** One row for each widget. */
export const widgets = pgTable('widgets', {
  /** UUIDv7: ids are in the order of creation. */
  id: uuid('id').primaryKey(),
  title: text('title').notNull(),
  /** Begins with 1; each change adds 1. */
  version: integer('version').notNull().default(1),
  /** From the database's clock, truncated to milliseconds, JavaScript's resolution. */
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
})

export type WidgetRow = typeof widgets.$inferSelect
