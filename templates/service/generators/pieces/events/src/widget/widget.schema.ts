import { sql } from 'drizzle-orm'
import { bigint, customType, jsonb, pgTable, primaryKey, timestamp } from 'drizzle-orm/pg-core'

/** The number of a transaction, as text. */
const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })

/**
 * The events of the last day. Transactions do not commit in the order of their ids, so events are in the order of their
 * transactions, and an event is read once no older transaction is open (pg_snapshot_xmin): then none can come before it. Empty
 * the table when it moves to another server, whose transaction numbers start again.
 */
export const widgetEvents = pgTable(
  'widget_events',
  {
    tx: xid8('tx')
      .notNull()
      .default(sql`pg_current_xact_id()`),
    id: bigint('id', { mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    data: jsonb('data').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tx, table.id] })],
)
