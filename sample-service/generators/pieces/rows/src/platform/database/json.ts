import { customType } from 'drizzle-orm/pg-core'

/**
 * A `jsonb` column. drizzle's own parses the value a second time after pg has parsed it, which turns the text "1" into the
 * number 1.
 */
export const json = customType<{ data: unknown; driverData: string }>({
  dataType: () => 'jsonb',
  toDriver: (value) => JSON.stringify(value),
})
