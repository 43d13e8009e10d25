import { sql } from 'drizzle-orm'
import { ensureSchema } from '../database/grants.ts'
import type { Schema } from '../database/migrations.ts'

/** The tables of handled and of held events. `npm run db:migrate` creates them; start-up requires them. */
export function inboxSchema(): Schema {
  return {
    async pending(_ctx, q) {
      const there = sql`select to_regclass('events.held') is not null as there`
      const { rows } = await q.execute<{ there: boolean }>(there)
      return rows[0]?.there === true ? [] : ['events.handled, events.held']
    },
    async apply(_ctx, q) {
      await ensureSchema(q, 'events')
      await q.execute(sql`create table if not exists events.handled (
          type text not null,
          id text not null,
          at timestamptz not null default now(),
          primary key (type, id)
        )`)
      await q.execute(sql`create index if not exists handled_at on events.handled using brin (at)`)
      // In the order of their arrival. due_at is infinity behind an earlier event of the key, and null while the event is parked.
      await q.execute(sql`create table if not exists events.held (
          number bigint generated always as identity,
          type text not null,
          id text not null,
          key text not null,
          headers json not null,
          data text not null,
          attempts int not null,
          due_at timestamptz,
          error text,
          at timestamptz not null default now(),
          primary key (type, id)
        )`)
      await q.execute(sql`create index if not exists held_key on events.held (type, key, number)`)
      await q.execute(sql`create index if not exists held_due on events.held (due_at)`)
    },
  }
}
