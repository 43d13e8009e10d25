import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** What each caller has used. Without an index on the time, so that an update rewrites no index (HOT). */
export const rateLimits = pgTable('rate_limits', {
  /** A hash of the limit and of its caller: no address and no name is kept. */
  key: text('key').primaryKey(),
  /** When the caller has its whole quota again. */
  fullAt: timestamp('full_at', { withTimezone: true }).notNull(),
})
