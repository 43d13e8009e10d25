import { JetStreamApiError } from '@nats-io/jetstream'
import { headers as natsHeaders, RequestError } from '@nats-io/transport-node'
import { propagation, ROOT_CONTEXT, SpanKind } from '@opentelemetry/api'
import { withValue, type Context } from '../../context/context.ts'
import { otelKey, span } from '../telemetry/span.ts'
import { asking, type Broker } from './broker.ts'
import { attributesOf, headersOf, partitionOf, subjectOf, type Headers } from './event.ts'
import { operationOn } from './observed.ts'

/** A row of the outbox. */
export interface Row extends Record<string, unknown> {
  readonly number: string
  readonly id: string
  readonly type: string
  readonly key: string
  readonly headers: Headers
  readonly data: string
  /** When it was published, since the epoch. */
  readonly seconds: number
}

/** The broker's error for an event whose subject belongs to another stream than the one it expects. */
const streamDoesNotMatch = 10_060

/** Sends an event. Resolves when its stream has it. @throws Error if the broker refuses it; the cause of ctx */
export async function sendOne(parent: Context, broker: Broker, service: string, row: Row): Promise<void> {
  const { id, type, key, seconds } = row
  const above = withValue(parent, otelKey, propagation.extract(ROOT_CONTEXT, row.headers))
  const partition = partitionOf(key)
  const attributes = {
    ...operationOn(type, 'send'),
    ...broker.server,
    'messaging.destination.partition.id': String(partition),
    'messaging.message.id': id,
  }
  await span(above, `send ${type}`, { kind: SpanKind.PRODUCER, attributes }, async (ctx) => {
    const time = new Date(seconds * 1_000).toISOString()
    const envelope = { id, type, key, source: `/${service}`, time }
    const headers = natsHeaders()
    const all = { ...row.headers, ...headersOf(ctx), ...attributesOf(envelope) }
    for (const [name, value] of Object.entries(all)) headers.set(name, value)
    const subject = subjectOf(type, partition)
    // Names the stream, because another stream may have the subject, with other consumers.
    const options = { msgID: id, headers, expect: { streamName: type } }
    try {
      await asking(ctx, () => broker.js.publish(subject, row.data, options))
    } catch (cause) {
      throw isElsewhere(cause) ? new StreamWithoutSubject(type, cause) : cause
    }
  })
}

/** The stream of a type is missing, or lacks the subjects of its events. */
class StreamWithoutSubject extends Error {
  override readonly name = 'StreamWithoutSubject'
  constructor(type: string, cause: unknown) {
    super(
      `the broker has no stream ${type} with the subjects ${subjectOf(type, '*')}: add them to the stream`,
      { cause },
    )
  }
}

/** Whether no stream has the subject, or another stream does. If none does, nats.js claims that JetStream is not enabled. */
function isElsewhere(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.code === streamDoesNotMatch
  return error instanceof Error && error.cause instanceof RequestError && error.cause.isNoResponders()
}
