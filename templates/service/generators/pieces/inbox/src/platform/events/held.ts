import { sql } from 'drizzle-orm'
import type { Queries } from '../database/queries.ts'
import type { Envelope, Headers } from './event.ts'

/** An event as it came from the broker, or as it is held. */
export interface Received {
  readonly envelope: Envelope
  readonly headers: Headers
  readonly data: string
  /** Its number in the stream. */
  readonly position: number
  /** How often it has failed. */
  readonly attempts: number
  /** Why it is no event. */
  readonly fault?: Error
}

/**
 * Makes all other work on this key wait until the transaction of `q` ends: an event must not pass one that is held, nor be handled
 * by two instances.
 */
export async function lockKey(q: Queries, { envelope: { type, key } }: Received): Promise<void> {
  await q.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${type} ${key}`}, 1))`)
}

/** Marks the event as handled, with the transaction. @returns false if it was marked before */
export async function mark(q: Queries, { envelope: { type, id } }: Received): Promise<boolean> {
  const { rows } = await q.execute(
    sql`insert into events.handled (type, id) values (${type}, ${id}) on conflict do nothing returning id`,
  )
  return rows.length > 0
}

/** As `mark` does, unless an event of its key is held. */
export async function markUnlessBehind(
  q: Queries,
  { envelope: { type, id, key } }: Received,
): Promise<boolean> {
  const { rows } = await q.execute(
    sql`insert into events.handled (type, id) select ${type}, ${id}
      where not exists (select from events.held where type = ${type} and key = ${key})
      on conflict do nothing returning id`,
  )
  return rows.length > 0
}

/** Holds the event if one of its key is held. @returns whether one is */
export async function holdBehind(q: Queries, event: Received): Promise<boolean> {
  const { type, key } = event.envelope
  const { rows } = await q.execute(sql`select from events.held where type = ${type} and key = ${key} limit 1`)
  if (rows.length > 0) await insert(q, event, sql`now()`, null, sql`do nothing`)
  return rows.length > 0
}

/** Holds the event that has failed, to be tried again after `pauseMs`; without, it is parked. */
export async function hold(
  q: Queries,
  event: Received,
  pauseMs: number | undefined,
  { name, message }: Error,
): Promise<void> {
  const due = pauseMs === undefined ? sql`null` : sql`now() + ${`${pauseMs} ms`}::interval`
  const again = sql`(type, id) do update set attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error`
  await insert(q, { ...event, attempts: event.attempts + 1 }, due, `${name}: ${message}`, again)
}

async function insert(
  q: Queries,
  { envelope: { type, id, key }, position, headers, data, attempts }: Received,
  due: ReturnType<typeof sql>,
  error: string | null,
  conflict: ReturnType<typeof sql>,
): Promise<void> {
  await q.execute(sql`insert into events.held (type, id, key, position, headers, data, attempts, due_at, error)
    values (${type}, ${id}, ${key}, ${position}, ${JSON.stringify(headers)}::json, ${data}, ${attempts}, ${due}, ${error})
    on conflict ${conflict}`)
}

/** Holds the event no longer, with the transaction. @returns false if it is not held, or not due */
export async function forget(q: Queries, { envelope: { type, id } }: Received): Promise<boolean> {
  const { rows } = await q.execute(
    sql`delete from events.held where type = ${type} and id = ${id} and due_at <= now() returning id`,
  )
  return rows.length > 0
}

interface Row extends Record<string, unknown> {
  readonly type: string
  readonly id: string
  readonly key: string
  readonly headers: Headers
  readonly data: string
  readonly position: string
  readonly attempts: number
}

/** The held events of these types that are due and the first of their keys. */
export async function dueEvents(q: Queries, types: readonly string[], most: number): Promise<Received[]> {
  const { rows } = await q.execute<Row>(
    sql`select type, id, key, headers, data, position, attempts from events.held h
      where due_at <= now() and type = any(${sql.param(types)}::text[]) and not exists (
        select from events.held o where o.type = h.type and o.key = h.key and o.position < h.position)
      order by due_at limit ${most}`,
  )
  return rows.map(({ type, id, key, headers, data, position, attempts }) => {
    const envelope = { type, id, key, source: headers['ce-source'] ?? '', time: headers['ce-time'] ?? '' }
    return { envelope, headers, data, position: Number(position), attempts }
  })
}

/** How many events of each type are held, and how many of them are parked. */
export async function countHeld(q: Queries): Promise<{ type: string; waiting: number; parked: number }[]> {
  const { rows } = await q.execute<{ type: string; waiting: number; parked: number }>(
    sql`select type, count(due_at)::int as waiting, count(*) filter (where due_at is null)::int as parked
      from events.held group by type`,
  )
  return rows
}
