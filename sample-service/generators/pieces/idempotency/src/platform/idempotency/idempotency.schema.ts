import { index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/** The answer to each request that had an `Idempotency-Key`, written in the transaction of its work. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    /** The caller that sent the key, so that a caller never gets another one's answer. */
    scope: text('scope').notNull(),
    key: text('key').notNull(),
    /** SHA-256 of the request. */
    fingerprint: text('fingerprint').notNull(),
    status: integer('status').notNull(),
    headers: jsonb('headers').$type<[string, string][]>().notNull(),
    body: text('body'),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.scope, table.key] }),
    index('idempotency_keys_created_at_idx').on(table.createdAt),
  ],
)

export type KeptAnswer = Pick<
  typeof idempotencyKeys.$inferSelect,
  'fingerprint' | 'status' | 'headers' | 'body'
>
