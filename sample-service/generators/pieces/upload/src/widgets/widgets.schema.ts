import { bigint, index, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/** One row for each widget; its bytes lie in the storage under `widgets-<id>`. */
export const widgets = pgTable(
  'widgets',
  {
    /** UUIDv7. */
    id: uuid('id').primaryKey(),
    /** As the client named it: for people, never a path. */
    name: text('name').notNull(),
    contentType: text('content_type').notNull(),
    /** Bytes. */
    size: bigint('size', { mode: 'number' }).notNull(),
    /** Of the bytes, in hex. */
    sha256: text('sha256').notNull(),
    /** By the database's clock, in the milliseconds that JavaScript and a cursor can hold. */
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [index('widgets_created_at_id_idx').on(table.createdAt, table.id)],
)

export type WidgetRow = typeof widgets.$inferSelect
export type NewWidget = typeof widgets.$inferInsert
