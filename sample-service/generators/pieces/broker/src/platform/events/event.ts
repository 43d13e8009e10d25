import { createHash } from 'node:crypto'
import { propagation, ROOT_CONTEXT } from '@opentelemetry/api'
import { z } from 'zod'
import { withValue, type Context } from '../../context/context.ts'
import { requestKey, requestOf } from '../request.ts'
import { otelKey } from '../telemetry/span.ts'

/**
 * Events with the same key have the same partition, and the events of one partition are handled one after the other. To change
 * the number, make a new version of the event: the order of a key ends where its partition changes.
 */
export const partitions = 8

/** The type of an event, which is also the name of the stream that keeps its events. */
export interface EventType {
  /**
   * Letters, digits and hyphens, with the version at the end: `invoice-paid-v1`. A version for data that consumers of this one
   * cannot read is another event on the broker.
   */
  readonly type: string
}

/** @throws Error if `type` cannot be the name of a stream */
export function requireType(type: string): void {
  if (!/^[a-z\d-]{1,100}$/i.test(type))
    throw new Error(`the event type "${type}" must have only letters, digits and hyphens, at most 100`)
}

/** The longest key and the longest id, in bytes. An index contains them. */
export const mostKeyBytes = 512

/** Whether Postgres can store the text as a key or an id. */
export function isKey(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= mostKeyBytes && !text.includes('\0')
}

/** The subject of one partition of a type, or of all. */
export function subjectOf(type: string, partition: number | '*'): string {
  return `events.${type}.${partition}`
}

/** The partition of a key, from 0. */
export function partitionOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE() % partitions
}

/** The headers sent with the data: the attributes of CloudEvents 1.0 as `ce-…`, and those of the request. */
export type Headers = Readonly<Record<string, string>>

/** The trace, the request and the principal of `ctx`. */
export function headersOf(ctx: Context): Headers {
  const headers: Record<string, string> = {}
  propagation.inject(ctx.value(otelKey) ?? ROOT_CONTEXT, headers)
  const request = requestOf(ctx)
  return {
    ...headers,
    ...(request !== undefined && { 'x-request-id': request.id }),
    ...(request?.principal !== undefined && { principal: encodeURIComponent(request.principal) }),
  }
}

/** Adds the request that published the event, and its principal: for the log, and for the calls that the handler makes. */
export function withSender(ctx: Context, { id, type }: Envelope, headers: Headers): Context {
  const sent = headers['x-request-id'] ?? ''
  return withValue(ctx, requestKey, {
    id: sane.test(sent) ? sent : id,
    method: 'EVENT',
    path: type,
    principal: decoded(headers['principal']),
  })
}

/** What may go into logs. */
const sane = /^[\x21-\x7e]{1,128}$/

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** An event as it is handed to the broker. */
export interface Envelope {
  readonly id: string
  readonly type: string
  readonly key: string
  readonly source: string
  /** ISO 8601. */
  readonly time: string
}

/** https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md, binary mode. */
export function attributesOf({ id, type, key, source, time }: Envelope): Headers {
  return {
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-type': type,
    'ce-source': source,
    'ce-time': time,
    'ce-subject': encodeURIComponent(key),
    'ce-partitionkey': encodeURIComponent(key),
    'content-type': 'application/json',
  }
}

const tooLong = { error: `must have 1 to ${mostKeyBytes} bytes` }

const Attributes = z.object({
  'ce-specversion': z.literal('1.0'),
  'ce-id': z.string().refine(isKey, tooLong),
  'ce-type': z.string(),
  'ce-source': z.string(),
  'ce-time': z.iso.datetime({ offset: true }),
  'ce-partitionkey': z.string().transform(decoded).pipe(z.string().refine(isKey, tooLong)),
})

/** Reads the headers of a message of the stream `type`. @throws ZodError if it is not a CloudEvent of that type with a key */
export function envelopeOf(type: string, headers: Headers): Envelope {
  const ce = Attributes.extend({ 'ce-type': z.literal(type) }).parse(headers)
  return {
    id: ce['ce-id'],
    type,
    key: ce['ce-partitionkey'],
    source: ce['ce-source'],
    time: ce['ce-time'],
  }
}
