import { bigint, index, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/** One row for each widget. The storage has its bytes under `widgets-<id>`. */
export const widgets = pgTable(
  'widgets',
  {
    /** UUIDv7. */
    id: uuid('id').primaryKey(),
    /** The name that the client sent, for display; never a path. */
    name: text('name').notNull(),
    contentType: text('content_type').notNull(),
    /** Bytes. */
    size: bigint('size', { mode: 'number' }).notNull(),
    /** SHA-256 of the bytes, in hex. */
    sha256: text('sha256').notNull(),
    /** From the database's clock, truncated to milliseconds, the resolution of JavaScript and of a cursor. */
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [index('widgets_created_at_id_idx').on(table.createdAt, table.id)],
)

export type WidgetRow = typeof widgets.$inferSelect
export type NewWidget = typeof widgets.$inferInsert
