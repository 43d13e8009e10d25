import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** The quota that each caller has used. The time has no index, so that an update rewrites no index (HOT). */
export const rateLimits = pgTable('rate_limits', {
  /** A hash of the limit and of its caller, so that no address or name is stored. */
  key: text('key').primaryKey(),
  /** When the caller has its whole quota again. */
  fullAt: timestamp('full_at', { withTimezone: true }).notNull(),
})
