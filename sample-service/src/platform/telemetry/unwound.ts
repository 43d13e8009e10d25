import { metrics } from '@opentelemetry/api'
import type { Context } from '../../context/context.ts'
import { causeName } from '../causes.ts'

/** Seconds: a statement is cancelled in milliseconds, what ends with its deadline only takes as long as it takes. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Reports work that has stopped because its context had ended: how often and why, by layer, and how long it went on for
 * nobody. For `http` that is until nothing of the request is left, for `database` until Postgres has ended the statement,
 * for `storage` until nothing of the content is left.
 * @param endedAt when the context ended, in milliseconds of performance.now()
 */
export function unwound(ctx: Context, layer: 'http' | 'database' | 'storage', endedAt: number): void {
  // Asked for each time: the SDK has one of each name, the API has none before telemetry is started, and no path that
  // ends in good order comes by here.
  metrics
    .getMeter('sample-service')
    .createHistogram('context.unwind.duration', {
      description: 'Time from the end of a context until the work under it had stopped.',
      unit: 's',
      advice: { explicitBucketBoundaries: buckets },
    })
    .record((performance.now() - endedAt) / 1_000, {
      'context.layer': layer,
      'context.cause': causeName(ctx) ?? 'none',
    })
}
