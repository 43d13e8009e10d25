import { metrics } from '@opentelemetry/api'
import { durationBuckets } from '../telemetry/metrics.ts'

/**
 * What became of an attempt. `failed` events are tried again, `held` ones wait behind an earlier event of their key, `parked` ones
 * wait for a person, and the broker delivers again what was `given back`.
 */
export type Outcome = 'handled' | 'duplicate' | 'held' | 'failed' | 'parked' | 'given back'

/** What the worker of the inbox reports. */
export interface InboxMetrics {
  attempted(type: string, outcome: Outcome, seconds: number): void
  redelivered(type: string): void
  /** How many events of the type the broker has for this service and has had no acknowledgement for. */
  lag(type: string, events: number): void
  /** How many are held in the database, and how many of them are parked. */
  held(type: string, events: { readonly waiting: number; readonly parked: number }): void
}

/** Makes the instruments. https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/ names the first. */
export function observeInbox(types: readonly string[]): InboxMetrics {
  const meter = metrics.getMeter('sample-service')
  const duration = meter.createHistogram('messaging.process.duration', {
    description: 'Duration of an attempt to handle an event, or of a run of a job.',
    unit: 's',
    advice: { explicitBucketBoundaries: [...durationBuckets, 60, 600] },
  })
  const redeliveries = meter.createCounter('events.redelivered', {
    description: 'Events that the broker delivered again.',
    unit: '{message}',
  })
  // A rate needs the series before it grows.
  for (const type of types) redeliveries.add(0, of(type))
  const lags = new Map<string, number>()
  const waiting = new Map<string, number>()
  const parked = new Map<string, number>()
  for (const [name, description, values] of [
    ['events.consumer.lag', 'Events that the broker has and that are not handled.', lags],
    ['events.consumer.held', 'Events that failed, or wait behind one that did.', waiting],
    ['events.consumer.parked', 'Events that wait for a person.', parked],
  ] as const) {
    meter.createObservableGauge(name, { description, unit: '{message}' }).addCallback((result) => {
      for (const [type, events] of values) result.observe(events, of(type))
    })
  }
  return {
    attempted(type, outcome, seconds) {
      const operation = { 'messaging.operation.name': 'process', 'messaging.operation.type': 'process' }
      duration.record(seconds, { ...of(type), ...operation, 'event.outcome': outcome })
    },
    redelivered: (type) => redeliveries.add(1, of(type)),
    lag: (type, events) => void lags.set(type, events),
    held(type, events) {
      waiting.set(type, events.waiting)
      parked.set(type, events.parked)
    },
  }
}

function of(type: string): Record<string, string> {
  return { 'messaging.system': 'nats', 'messaging.destination.name': type }
}
