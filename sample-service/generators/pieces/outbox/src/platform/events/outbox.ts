import { channel } from 'node:diagnostics_channel'
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { z } from 'zod'
import type { Context } from '../../context/context.ts'
import type { Queries } from '../database/queries.ts'
import { headersOf, isKey, mostKeyBytes, requireType, type EventType } from './event.ts'

/** A type of event that this service publishes. */
export interface EventKind<Data extends z.ZodType = z.ZodType> extends EventType {
  /** What has happened, for `/asyncapi.json`. */
  readonly summary: string
  /** The schema of the data, which is JSON. */
  readonly data: Data
  /** What the event is about, such as the id of an invoice. Consumers handle events of one key in the order of their commits. */
  key(data: z.output<Data>): string
}

/** Half of a broker's default limit. */
const mostBytes = 512 * 1024

/** Wakes the worker of this process. The worker of another process finds the event at its next poll, within half a second. */
export const published = channel('sample-service:published')

/**
 * Publishes an event with `q`: inside a transaction, the event exists only if the transaction commits. A worker hands it to the
 * broker afterwards. Until the transaction ends, other transactions that publish events of the same key wait.
 * @returns its id
 * @throws ZodError if `data`, read back from JSON, does not match the schema; RangeError if it is larger than 512 KiB, or its key
 * is empty, longer than 512 bytes or has a NUL; Error if the type is invalid
 */
export async function publish<Data extends z.ZodType>(
  ctx: Context,
  q: Queries,
  kind: EventKind<Data>,
  data: z.input<Data>,
): Promise<string> {
  const type = kind.type
  requireType(type)
  const stored = JSON.stringify(data)
  const key = kind.key(kind.data.parse(JSON.parse(stored)))
  if (!isKey(key))
    throw new RangeError(`the key of the event ${type} must have 1 to ${mostKeyBytes} bytes, and no NUL`)
  const bytes = Buffer.byteLength(stored)
  if (bytes > mostBytes)
    throw new RangeError(`the event ${type} has ${bytes} bytes of data, but at most ${mostBytes} are allowed`)
  // A UUIDv7, so that the index of handled events grows at its end.
  const id = uuidv7()
  // The statement takes the lock before the number, so the numbers of one key rise in the order of commits.
  await q.execute(sql`with first as materialized (
      select pg_advisory_xact_lock(hashtextextended(${`${type} ${key}`}, 0)))
    insert into events.outbox (id, type, key, headers, data)
    select ${id}::uuid, ${type}, ${key}, ${JSON.stringify(headersOf(ctx))}::json, ${stored} from first`)
  published.publish(type)
  return id
}
