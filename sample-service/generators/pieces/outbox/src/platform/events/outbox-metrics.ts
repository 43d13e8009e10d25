import { metrics } from '@opentelemetry/api'
import { durationBuckets } from '../telemetry/metrics.ts'

/** What the worker of the outbox reports. */
export interface OutboxMetrics {
  /** The broker has these events. */
  handed(events: readonly { readonly type: string; readonly seconds: number }[]): void
  /** What the table held at the last look. */
  waiting(events: number, oldestSeconds: number): void
}

/** Makes the instruments. https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/ names the first. */
export function observeOutbox(): OutboxMetrics {
  const meter = metrics.getMeter('sample-service')
  const sent = meter.createCounter('messaging.client.sent.messages', {
    description: 'Events that the broker has stored.',
    unit: '{message}',
  })
  const delay = meter.createHistogram('events.outbox.delay', {
    description: 'Time from the publishing of an event until the broker had it.',
    unit: 's',
    advice: { explicitBucketBoundaries: [...durationBuckets, 60, 600, 3_600] },
  })
  let table = { events: 0, oldestSeconds: 0 }
  meter
    .createObservableGauge('events.outbox.waiting', {
      description: 'Events in the outbox.',
      unit: '{message}',
    })
    .addCallback((result) => result.observe(table.events))
  meter
    .createObservableGauge('events.outbox.oldest', { description: 'Age of the oldest one.', unit: 's' })
    .addCallback((result) => result.observe(table.oldestSeconds))
  return {
    handed(events) {
      for (const { type, seconds } of events) {
        const attributes = { 'messaging.system': 'nats', 'messaging.destination.name': type }
        sent.add(1, attributes)
        // The clocks of the database and of this machine may differ.
        delay.record(Math.max(0, Date.now() / 1_000 - seconds), attributes)
      }
    },
    waiting: (events, oldestSeconds) => (table = { events, oldestSeconds }),
  }
}
