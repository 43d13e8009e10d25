import type { Schema } from './database/migrations.ts'

/** The schemas that libraries of this service need, beside the migrations in drizzle/. */
export function schemas(): Schema[] {
  return []
}
