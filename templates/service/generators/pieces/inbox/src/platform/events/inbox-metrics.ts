import { throwIfEnded, type Context } from '../../context/context.ts'
import { durationBuckets, meter } from '../telemetry/metrics.ts'
import { asking, isMissing, type Broker } from './broker.ts'
import { partitions } from './event.ts'
import type { Inbox } from './handle.ts'
import type { Received } from './held.ts'
import { eventsOf, operationOn } from './observed.ts'

/**
 * The outcome of an attempt. `failed` events are tried again, `held` ones wait behind an earlier event of their key, `parked`
 * ones wait until somebody replays or drops them, and the broker delivers again those `given back`.
 */
export type Outcome = 'handled' | 'duplicate' | 'held' | 'failed' | 'parked' | 'given back'

/** The metrics of the inbox. */
export interface InboxMetrics {
  /** @param errorType undefined unless the attempt has failed */
  attempted(event: Received, outcome: Outcome, seconds: number, errorType: string | undefined): void
  redelivered(type: string): void
  /** How many events of the type the broker has for this service without an acknowledgement. */
  lag(type: string, events: number): void
  /** How many are held in the database, and how many of them are parked. */
  held(type: string, events: { readonly waiting: number; readonly parked: number }): void
}

/** Makes the instruments. https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/ names the first. */
export function observeInbox(types: readonly string[]): InboxMetrics {
  const instruments = meter()
  const duration = instruments.createHistogram('messaging.process.duration', {
    // The same name as for jobs: the SDK keeps one instrument of each name.
    description: 'Duration of a run of a job, or of an attempt to handle an event.',
    unit: 's',
    advice: { explicitBucketBoundaries: [...durationBuckets, 60, 600] },
  })
  const redeliveries = instruments.createCounter('events.redelivered', {
    description: 'Events that the broker delivered again.',
    unit: '{message}',
  })
  // Starts the series at 0, because a rate needs it before it grows.
  for (const type of types) redeliveries.add(0, eventsOf(type))
  const lags = new Map<string, number>()
  const waiting = new Map<string, number>()
  const parked = new Map<string, number>()
  for (const [name, description, values] of [
    ['events.consumer.lag', 'Events in the broker that are not handled yet.', lags],
    ['events.consumer.held', 'Events that failed, or wait behind one that did.', waiting],
    ['events.consumer.parked', 'Events that wait to be replayed or dropped.', parked],
  ] as const) {
    instruments.createObservableGauge(name, { description, unit: '{message}' }).addCallback((result) => {
      for (const [type, events] of values) result.observe(events, eventsOf(type))
    })
  }
  return {
    attempted({ envelope: { type }, server }, outcome, seconds, errorType) {
      const error = errorType === undefined ? undefined : { 'error.type': errorType }
      duration.record(seconds, {
        ...operationOn(type, 'process'),
        ...server,
        'event.outcome': outcome,
        ...error,
      })
    },
    redelivered: (type) => redeliveries.add(1, eventsOf(type)),
    lag: (type, events) => void lags.set(type, events),
    held(type, events) {
      waiting.set(type, events.waiting)
      parked.set(type, events.parked)
    },
  }
}

/** How often the lag is read. */
const lagMs = 5_000

/** The name of the broker's consumer of one partition, which all instances of the service share. */
export function consumerName(service: string, type: string, partition: number): string {
  return `${service}-${type}-${partition}`
}

/**
 * Reports how many events of the type the broker has for this service, until the worker is to stop.
 * @throws Error if it lacks a consumer
 */
export async function readLag(
  ctx: Context,
  { metrics, database, stopping }: Inbox,
  { manager }: Broker,
  type: string,
): Promise<void> {
  await stopping.pause(ctx, lagMs)
  while (!stopping.now) {
    try {
      let events = 0
      for (let partition = 0; partition < partitions; partition++) {
        const name = consumerName(database.applicationName, type, partition)
        const info = await asking(ctx, () => manager.consumers.info(type, name))
        events += info.num_pending + info.num_ack_pending
      }
      metrics.lag(type, events)
    } catch (error) {
      throwIfEnded(ctx)
      // A late answer must not interrupt the events that are being handled.
      if (isMissing(error)) throw error
    }
    await stopping.pause(ctx, lagMs)
  }
}
