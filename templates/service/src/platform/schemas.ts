import type { Schema } from './database/migrations.ts'

/** The schemas that libraries of this service need, which the migrations in drizzle/ do not make. */
export function schemas(): Schema[] {
  return []
}
