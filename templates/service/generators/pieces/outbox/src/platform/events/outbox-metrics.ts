import type { Attributes } from '@opentelemetry/api'
import { durationBuckets, meter } from '../telemetry/metrics.ts'
import { eventsOf, operationOn } from './observed.ts'

/** The metrics of the outbox. */
export interface OutboxMetrics {
  /** Counts events that this node of the broker has stored. */
  handed(events: readonly { readonly type: string; readonly seconds: number }[], server: Attributes): void
  /** The content of the table at the last count. */
  waiting(events: number, oldestSeconds: number): void
}

/** Makes the instruments. https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/ names the first. */
export function observeOutbox(): OutboxMetrics {
  const instruments = meter()
  const sent = instruments.createCounter('messaging.client.sent.messages', {
    description: 'Events that the broker has stored.',
    unit: '{message}',
  })
  const delay = instruments.createHistogram('events.outbox.delay', {
    description: 'Time from the publishing of an event until the broker had it.',
    unit: 's',
    advice: { explicitBucketBoundaries: [...durationBuckets, 60, 600, 3_600] },
  })
  let table = { events: 0, oldestSeconds: 0 }
  instruments
    .createObservableGauge('events.outbox.waiting', {
      description: 'Events in the outbox.',
      unit: '{message}',
    })
    .addCallback((result) => result.observe(table.events))
  instruments
    .createObservableGauge('events.outbox.oldest', {
      description: 'Age of the oldest event that the broker does not have.',
      unit: 's',
    })
    .addCallback((result) => result.observe(table.oldestSeconds))
  return {
    handed(events, server) {
      for (const { type, seconds } of events) {
        sent.add(1, { ...operationOn(type, 'send'), ...server })
        // The clocks of the database and of this machine may differ.
        delay.record(Math.max(0, Date.now() / 1_000 - seconds), eventsOf(type))
      }
    },
    waiting: (events, oldestSeconds) => (table = { events, oldestSeconds }),
  }
}
