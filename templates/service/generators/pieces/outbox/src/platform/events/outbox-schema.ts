import { sql } from 'drizzle-orm'
import { ensureSchema } from '../database/grants.ts'
import type { Schema } from '../database/migrations.ts'

/** The table of events that the broker does not have yet. `npm run db:migrate` creates it; start-up requires it. */
export function outboxSchema(): Schema {
  return {
    async pending(_ctx, q) {
      const there = sql`select to_regclass('events.outbox') is not null as there`
      const { rows } = await q.execute<{ there: boolean }>(there)
      return rows[0]?.there === true ? [] : ['events.outbox']
    },
    async apply(_ctx, q) {
      await ensureSchema(q, 'events')
      // Every row is deleted soon, so the table must be vacuumed after a number of rows, not a share of them.
      await q.execute(sql`create table if not exists events.outbox (
          number bigint generated always as identity primary key,
          id uuid not null,
          type text not null,
          key text not null,
          headers json not null,
          data text not null,
          created_at timestamptz not null default now()
        ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`)
    },
  }
}
