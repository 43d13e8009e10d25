import { headers as natsHeaders } from '@nats-io/transport-node'
import { propagation, ROOT_CONTEXT, SpanKind } from '@opentelemetry/api'
import { sql } from 'drizzle-orm'
import { throwIfEnded, withTimeout, withValue, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import type { Transaction } from '../database/transaction.ts'
import type { Platform } from '../platform.ts'
import { otelKey, span } from '../telemetry/span.ts'
import { asking, ensureStream, type Broker } from './broker.ts'
import { attributesOf, headersOf, partitionOf, subjectOf, type Headers } from './event.ts'
import type { OutboxMetrics } from './outbox-metrics.ts'
import type { Stopping } from './stopping.ts'

/** How many events one transaction hands over. */
export const batch = 500
/** How many keys of them are handed over at the same time. */
const keysAtOnce = 64
/** How long one transaction may take. */
const roundMs = 15_000
/** A row of the outbox. */
interface Row extends Record<string, unknown> {
  readonly number: string
  readonly id: string
  readonly type: string
  readonly key: string
  readonly headers: Headers
  readonly data: string
  /** When it was published, since the epoch. */
  readonly seconds: number
}

/** What one worker of one process shares between its loops. */
export interface Relay extends Platform {
  readonly metrics: OutboxMetrics
  readonly stopping: Stopping
  /** How many events are being handed over. */
  handing: number
}

/**
 * Hands over the oldest events in one transaction: the broker has them when it commits.
 * @param known the types whose streams exist
 * @returns how many; 0 if another instance does so now
 * @throws the first failure, after those that succeeded are deleted
 */
export async function round(
  parent: Context,
  relay: Relay,
  broker: Broker,
  known: Set<string>,
): Promise<number> {
  using ctx = withTimeout(parent, roundMs)
  const { sent, failure } = await relay.db
    .transaction(ctx, async (q, ctx) => {
      const rows = await take(q)
      relay.handing = rows.length
      const sent: Row[] = []
      const failure = await send(ctx, broker, relay, rows, known, sent).catch((error: unknown) => error)
      if (ctx.err === undefined && sent.length > 0) {
        const numbers = sent.map(({ number }) => number)
        await q.execute(sql`delete from events.outbox where number = any(${sql.param(numbers)}::bigint[])`)
      }
      return { sent, failure }
    })
    .finally(() => (relay.handing = 0))
  relay.metrics.handed(sent)
  if (failure !== undefined) throw failure
  return sent.length
}

/** The oldest events, unless another instance holds the lock, which ends with its transaction. */
async function take(q: Transaction): Promise<Row[]> {
  const { rows } = await q.execute<Row>(
    sql`select number, id, type, key, headers, data, extract(epoch from created_at)::float8 as seconds from events.outbox
      where (select pg_try_advisory_xact_lock(hashtextextended('events.outbox', 0)))
      order by number limit ${batch}`,
  )
  return rows
}

/** Sends the events of each key one after the other, and different keys at once. Adds to `sent` what the broker has. */
async function send(
  ctx: Context,
  broker: Broker,
  relay: Relay,
  rows: readonly Row[],
  known: Set<string>,
  sent: Row[],
): Promise<void> {
  const keys = new Map<string, Row[]>()
  for (const row of rows) {
    const name = `${row.type} ${row.key}`
    const before = keys.get(name)
    if (before === undefined) keys.set(name, [row])
    else before.push(row)
    if (known.has(row.type)) continue
    await ensureStream(ctx, broker, row.type)
    known.add(row.type)
  }
  let failure: unknown
  using sending = group(ctx, { limit: keysAtOnce })
  for (const events of keys.values()) {
    sending.go(async (ctx) => {
      try {
        for (const row of events) {
          await sendOne(ctx, broker, relay, row)
          sent.push(row)
        }
      } catch (error) {
        throwIfEnded(ctx)
        // The later events of this key wait; those of other keys do not.
        failure ??= error
      }
    })
  }
  await sending.wait()
  if (failure !== undefined) throw failure
}

/** Resolves when the broker has stored the event, or had it already. */
async function sendOne(parent: Context, { js }: Broker, { database }: Relay, row: Row): Promise<void> {
  const { id, type, key, seconds } = row
  const above = withValue(parent, otelKey, propagation.extract(ROOT_CONTEXT, row.headers))
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': type,
    'messaging.message.id': id,
  }
  await span(above, `send ${type}`, { kind: SpanKind.PRODUCER, attributes }, async (ctx) => {
    const envelope = {
      id,
      type,
      key,
      source: `/${database.applicationName}`,
      time: new Date(seconds * 1_000).toISOString(),
    }
    const headers = natsHeaders()
    const all = { ...row.headers, ...headersOf(ctx), ...attributesOf(envelope) }
    for (const [name, value] of Object.entries(all)) headers.set(name, value)
    await asking(ctx, () => js.publish(subjectOf(type, partitionOf(key)), row.data, { msgID: id, headers }))
    throwIfEnded(ctx)
  })
}
