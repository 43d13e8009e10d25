import type { Attributes } from '@opentelemetry/api'
import { sql } from 'drizzle-orm'
import type { Queries } from '../database/queries.ts'
import type { Envelope, Headers } from './event.ts'

/** An event as it came from the broker, or as it is held. */
export interface Received {
  readonly envelope: Envelope
  readonly headers: Headers
  readonly data: string
  /** How often it has failed. */
  readonly attempts: number
  /** How often the broker has delivered it; 0 if it was held. */
  readonly deliveries: number
  /** The node of the broker that has delivered it; undefined if it was held. */
  readonly server?: Attributes
  /** The reason, if the message is not an event. */
  readonly fault?: Error
}

/** The key of an event, among the events of its type. */
export type EventKey = Pick<Envelope, 'type' | 'key'>

/**
 * Makes all other work on this key wait until the transaction of `q` ends, so that no event overtakes a held one, and no two
 * instances handle one event.
 */
export async function lockKey(q: Queries, { type, key }: EventKey): Promise<void> {
  await q.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${type} ${key}`}, 1))`)
}

/** Marks the event as handled, in the transaction. @returns false if it was marked before */
export async function mark(q: Queries, { envelope: { type, id } }: Received): Promise<boolean> {
  const { rows } = await q.execute(
    sql`insert into events.handled (type, id) values (${type}, ${id}) on conflict do nothing returning id`,
  )
  return rows.length > 0
}

/** Marks the event like `mark`, unless an event of its key is held. */
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
  if (rows.length > 0) await insert(q, event, sql`'infinity'`, null, sql`nothing`)
  return rows.length > 0
}

/** Holds the event, due at once. The transaction must have the lock of its key, and no event of the key may be held. */
export async function holdNow(q: Queries, event: Received): Promise<void> {
  await insert(q, event, sql`now()`, null, sql`nothing`)
}

/** Holds the failed event, to be tried again after `pauseMs`; without `pauseMs` the event is parked. */
export async function hold(
  q: Queries,
  event: Received,
  pauseMs: number | undefined,
  { name, message }: Error,
): Promise<void> {
  const attempts = event.attempts + 1
  const due = pauseMs === undefined ? sql`null` : sql`now() + ${`${pauseMs} ms`}::interval`
  // Does not overwrite a newer attempt of another instance.
  const again = sql`update set attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error
    where held.attempts <= excluded.attempts`
  // Postgres cannot store NUL.
  const error = `${name}: ${message}`.replaceAll('\0', '').slice(0, 2_000)
  await insert(q, { ...event, attempts }, due, error, again)
}

async function insert(
  q: Queries,
  { envelope: { type, id, key }, headers, data, attempts }: Received,
  due: ReturnType<typeof sql>,
  error: string | null,
  conflict: ReturnType<typeof sql>,
): Promise<void> {
  await q.execute(sql`insert into events.held (type, id, key, headers, data, attempts, due_at, error)
    values (${type}, ${id}, ${key}, ${JSON.stringify(headers)}::json, ${data}, ${attempts}, ${due}, ${error})
    on conflict (type, id) do ${conflict}`)
}

interface Row extends Record<string, unknown> {
  readonly type: string
  readonly id: string
  readonly key: string
  readonly headers: Headers
  readonly data: string
  readonly attempts: number
}

/**
 * Takes the event of these types that has been due for longest. Counts the attempt before it begins, so that an attempt that
 * crashes the process counts; after `leaseMs` another instance may take the event.
 */
export async function take(
  q: Queries,
  types: readonly string[],
  leaseMs: number,
): Promise<Received | undefined> {
  const { rows } = await q.execute<Row>(
    sql`with due as materialized (
        select type, id from events.held where due_at <= now() and type = any(${sql.param(types)}::text[])
        order by due_at limit 1 for update skip locked)
      update events.held h set attempts = attempts + 1, due_at = now() + ${`${leaseMs} ms`}::interval
      from due where h.type = due.type and h.id = due.id
      returning h.type, h.id, h.key, h.headers, h.data, h.attempts`,
  )
  const [row] = rows
  if (row === undefined) return undefined
  const { type, id, key, headers, data, attempts } = row
  const envelope = { type, id, key, source: headers['ce-source'] ?? '', time: headers['ce-time'] ?? '' }
  return { envelope, headers, data, attempts: attempts - 1, deliveries: 0 }
}

/** Gives back an event that was taken; the attempt does not count. */
export async function giveBack(q: Queries, { envelope: { type, id }, attempts }: Received): Promise<void> {
  await q.execute(sql`update events.held set attempts = ${attempts}, due_at = now()
    where type = ${type} and id = ${id} and attempts = ${attempts + 1}`)
}

/**
 * Deletes the held event, and makes the next one of its key due. The transaction must have the lock of the key.
 * @returns false if it is not held, or another instance has taken it meanwhile
 */
export async function release(
  q: Queries,
  { envelope: { type, id, key }, attempts }: Received,
): Promise<boolean> {
  const { rows } = await q.execute(
    sql`delete from events.held where type = ${type} and id = ${id} and attempts = ${attempts + 1} returning id`,
  )
  if (rows.length === 0) return false
  await makeNextDue(q, { type, key })
  return true
}

/** Makes the first held event of the key due, unless it is parked. The transaction must have the lock of the key. */
export async function makeNextDue(q: Queries, { type, key }: EventKey): Promise<void> {
  await q.execute(sql`update events.held set due_at = now() where type = ${type} and key = ${key} and due_at = 'infinity'
    and number = (select min(number) from events.held where type = ${type} and key = ${key})`)
}

/** How many events of each type are held, and how many of them are parked. */
export async function countHeld(q: Queries): Promise<{ type: string; waiting: number; parked: number }[]> {
  const { rows } = await q.execute<{ type: string; waiting: number; parked: number }>(
    sql`select type, count(due_at)::int as waiting, count(*) filter (where due_at is null)::int as parked
      from events.held group by type`,
  )
  return rows
}
