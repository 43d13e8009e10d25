import { z } from 'zod'
import type { Context } from '../../context/context.ts'
import type { Transaction } from '../database/transaction.ts'
import { requireType, type Envelope, type EventType } from './event.ts'

/** How this service handles a kind of event. */
export interface ConsumerOptions<Data extends z.ZodType> extends EventType {
  /** The schema of the data that the handler reads. The data may have further fields. */
  readonly data: Data
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs: number
  /** How often an event that fails is tried before it is parked. Default 10, which takes about a quarter of an hour. */
  readonly maxAttempts?: number
}

/** An event, as its handler gets it. */
export interface Event<Data> extends Omit<Envelope, 'time'> {
  readonly time: Date
  readonly data: Data
}

/** A consumer as the worker runs it. */
export interface Consumer {
  /** `invoice-paid-v1`. */
  readonly type: string
  readonly timeoutMs: number
  readonly maxAttempts: number
  /** @throws NotUnderstood if the handler cannot read the data, else what the handler throws */
  handle(ctx: Context, envelope: Envelope, data: string, q: Transaction): Promise<void>
}

/** The consumer cannot read the event. Another attempt would not help, so the event is parked at once. */
export class NotUnderstood extends Error {
  override readonly name = 'NotUnderstood'
}

/** Each attempt has ended the process or the database. */
export class NeverAnswered extends Error {
  override readonly name = 'NeverAnswered'
  constructor(attempts: number) {
    super(`${attempts} attempts began and none ended: does the event crash the process?`)
  }
}

/**
 * Makes a consumer. `handle` runs in a transaction that also marks the event as handled: what it writes with `q` is written once,
 * however often the event arrives. What it does elsewhere may happen again after a failure.
 * @throws Error if the type is not one
 */
export function consumer<Data extends z.ZodType>(
  options: ConsumerOptions<Data>,
  handle: (ctx: Context, event: Event<z.output<Data>>, q: Transaction) => Promise<void>,
): Consumer {
  const { timeoutMs, maxAttempts = 10, data: schema } = options
  requireType(options.type)
  return {
    type: options.type,
    timeoutMs,
    maxAttempts,
    async handle(ctx, envelope, text, q) {
      const data = read(schema, text)
      await handle(ctx, { ...envelope, time: new Date(envelope.time), data }, q)
    },
  }
}

function read<Data extends z.ZodType>(schema: Data, text: string): z.output<Data> {
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new NotUnderstood(`this service cannot read the data: ${faultsOf(cause)}`, { cause })
  }
}

/** The reason of a refusal, for the list of parked events. */
export function faultsOf(error: unknown): string {
  if (!(error instanceof z.ZodError)) return error instanceof Error ? error.message : String(error)
  return error.issues
    .slice(0, 10)
    .map(({ path, message }) => [...path, message].join(': '))
    .join('; ')
}
