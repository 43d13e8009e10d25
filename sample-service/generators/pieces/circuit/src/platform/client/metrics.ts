import { metrics } from '@opentelemetry/api'
import type { Order } from './order.ts'
import { peerOf } from './span.ts'
import { durationBuckets } from '../telemetry/metrics.ts'
import { knownMethod } from '../telemetry/outcome.ts'

/**
 * Reports one attempt of a call by the stable HTTP conventions
 * (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration).
 * @param startedAt in milliseconds of performance.now()
 * @param status undefined if there was no answer
 * @param errorType undefined if the attempt succeeded
 */
export function recordAttempt(
  { method, url }: Order,
  startedAt: number,
  status: number | undefined,
  errorType: string | undefined,
): void {
  // Looked up each time, because a client may be made before telemetry is started. The SDK keeps one of each name.
  metrics
    .getMeter('sample-service')
    .createHistogram('http.client.request.duration', {
      description: 'Time from the sending of a request until its answer has been read or has failed.',
      unit: 's',
      advice: { explicitBucketBoundaries: durationBuckets },
    })
    .record((performance.now() - startedAt) / 1_000, {
      'http.request.method': knownMethod(method),
      ...peerOf(url),
      ...(status !== undefined && { 'http.response.status_code': status }),
      ...(errorType !== undefined && { 'error.type': errorType }),
    })
}
