import type { Seed } from './plant.ts'

/**
 * The rows that `npm run db:seed` inserts, table by table, parents before children:
 *
 *     rows(invoices, [{ id: '01990000-0000-7000-8000-000000000001', title: 'one' }])
 *
 * Each has its primary key, by which a second run finds it. `rows` is in plant.ts, and the tables are in src/*\/*.schema.ts.
 */
export function seeds(): Seed[] {
  return []
}
