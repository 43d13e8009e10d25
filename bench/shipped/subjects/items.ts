import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { index, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import pg from 'pg'

/** The table of the measured SELECT: each shelf has six rows, which an index finds. */
export const items = pgTable(
  'items',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    shelf: integer('shelf').notNull(),
    name: text('name').notNull(),
    note: text('note'),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [index('items_shelf_idx').on(table.shelf)],
)

export const shelf = 7
export const poolMax = 10

/** Makes the table. */
export const setUp = `create table items (id integer primary key generated always as identity, shelf integer not null, name text not null,
    note text, created_at timestamptz(3) not null default now());
  create index items_shelf_idx on items (shelf);
  insert into items (shelf, name, note) select n % 1000, 'item ' || n, case when n % 2 = 0 then 'a note' end from generate_series(1, 6000) n;
  analyze items`

/** The SELECT as drizzle's documentation writes it. */
export function readItems(): () => Promise<object[]> {
  const db = drizzle(new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: poolMax }))
  return () => db.select().from(items).where(eq(items.shelf, shelf)).orderBy(items.id)
}
