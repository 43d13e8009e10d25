import { sql } from 'drizzle-orm'
import { throwIfEnded, withTimeout, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import type { Transaction } from '../database/transaction.ts'
import type { Platform } from '../platform.ts'
import { ensureStream, type Broker } from './broker.ts'
import type { OutboxMetrics } from './outbox-metrics.ts'
import { sendOne, type Row } from './send-one.ts'
import type { Stopping } from './stopping.ts'

/** How many events one transaction hands over, and how many bytes of data, all of which are in memory. */
export const batch = 500
const batchBytes = 4 * 1024 * 1024
/** How many of their keys are handed over at the same time. */
const keysAtOnce = 64
/**
 * After how long a transaction sends no further event, and how long it may take in all, including the deletion of what it has
 * sent.
 */
const sendMs = 5_000
const roundMs = 15_000
/** The pause of a key whose event the broker has refused; it doubles with each failure. */
const firstPauseMs = 400
const maxPauseMs = 30_000
/** When this many keys of one type are refused, the whole type waits. */
const refusedKeys = 100

/** The state that the loops of one worker share. */
export interface Relay extends Platform {
  readonly metrics: OutboxMetrics
  readonly stopping: Stopping
  /** The types whose streams exist. */
  readonly known: Set<string>
  /**
   * The keys (by `nameOf`) and types that the broker has refused, and when to try again, in milliseconds of performance.now().
   */
  readonly stuck: Map<string, { readonly failures: number; readonly until: number }>
  /** How many events are being handed over. */
  handing: number
}

/**
 * Hands over the oldest events in one transaction, and commits when the broker has them. An event that the broker refuses
 * waits, and so do the later events of its key.
 * @returns how many; 0 if another instance hands over events now
 */
export async function round(parent: Context, relay: Relay, broker: Broker): Promise<number> {
  using ctx = withTimeout(parent, roundMs)
  const sent: Row[] = []
  try {
    await relay.db.transaction(ctx, async (q, ctx) => {
      const rows = await take(q, relay)
      relay.handing = rows.length
      await send(ctx, broker, relay, rows, sent)
      if (sent.length === 0) return
      const numbers = sent.map(({ number }) => number)
      await q.execute(sql`delete from events.outbox where number = any(${sql.param(numbers)}::bigint[])`)
    })
  } finally {
    relay.handing = 0
  }
  relay.metrics.handed(sent, broker.server)
  return sent.length
}

/** The oldest events, unless another instance holds the lock, which ends with its transaction. */
async function take(q: Transaction, { stuck }: Relay): Promise<Row[]> {
  const now = performance.now()
  const waiting = Array.from(stuck).flatMap(([name, { until }]) => (until > now ? [name] : []))
  const { rows } = await q.execute<Row>(
    sql`select number, id, type, key, headers, data, extract(epoch from created_at)::float8 as seconds from (
        select *, sum(octet_length(data)) over (order by number) - octet_length(data) as before from (
          select * from events.outbox where (select pg_try_advisory_xact_lock(hashtextextended('events.outbox', 0)))
            and type <> all(${sql.param(waiting)}::text[]) and type || ' ' || key <> all(${sql.param(waiting)}::text[])
          order by number limit ${batch}) as oldest) as counted
      where before < ${batchBytes} order by number`,
  )
  return rows
}

function nameOf({ type, key }: Row): string {
  return `${type} ${key}`
}

/**
 * Sends the events of each key one after the other, and different keys at once. Adds each event that the broker has stored to
 * `sent`.
 */
async function send(
  ctx: Context,
  broker: Broker,
  relay: Relay,
  rows: readonly Row[],
  sent: Row[],
): Promise<void> {
  const until = performance.now() + sendMs
  const refused: Refusal[] = []
  await ensureStreams(ctx, broker, relay, rows, refused)
  const keys = new Map<string, Row[]>()
  for (const row of rows) {
    if (relay.known.has(row.type)) keys.set(nameOf(row), [...(keys.get(nameOf(row)) ?? []), row])
  }
  using sending = group(ctx, { limit: keysAtOnce })
  for (const [name, events] of keys) {
    sending.go(async (ctx) => {
      for (const row of events) {
        if (performance.now() > until) return
        try {
          await sendOne(ctx, broker, relay.database.applicationName, row)
          sent.push(row)
          relay.stuck.delete(name)
          relay.stuck.delete(row.type)
        } catch (err) {
          throwIfEnded(ctx)
          refused.push({ name, type: row.type, event: row.id, err })
          return
        }
      }
    })
  }
  await sending.wait()
  letWait(ctx, relay, refused)
}

/** Something that the broker has refused: an event, and with it its key, or the stream of a type. */
interface Refusal {
  /** The key, as `nameOf` writes it, or the type. */
  readonly name: string
  readonly type: string
  readonly event?: string
  readonly err: unknown
}

async function ensureStreams(
  ctx: Context,
  broker: Broker,
  { known }: Relay,
  rows: readonly Row[],
  refused: Refusal[],
): Promise<void> {
  for (const type of new Set(rows.map(({ type }) => type))) {
    if (known.has(type)) continue
    try {
      await ensureStream(ctx, broker, type)
      known.add(type)
    } catch (err) {
      throwIfEnded(ctx)
      refused.push({ name: type, type, err })
    }
  }
}

/** Delays the next attempt for what was refused, and logs the first refusal. */
function letWait(ctx: Context, { known, stuck, log }: Relay, refused: readonly Refusal[]): void {
  for (const type of new Set(refused.map(({ type }) => type))) {
    // The stream may have been deleted.
    known.delete(type)
    const names = refused.flatMap((one) => (one.type === type ? [one.name] : []))
    const keys = new Set([...names, ...stuck.keys()].filter((name) => name.startsWith(`${type} `)))
    const all = keys.size >= refusedKeys || names.includes(type)
    if (all) for (const key of keys) stuck.delete(key)
    for (const name of all ? [type] : names) {
      const failures = (stuck.get(name)?.failures ?? 0) + 1
      const pauseMs = Math.min(firstPauseMs * 2 ** (failures - 1), maxPauseMs)
      stuck.set(name, { failures, until: performance.now() + pauseMs })
    }
  }
  const [first] = refused
  if (first === undefined) return
  const { type, event, err } = first
  log.warn(ctx, 'outbox: events wait', { event: type, eventId: event, err, refused: refused.length })
}
