import type { Attributes } from '@opentelemetry/api'
import type { Order } from './order.ts'
import { peerOf } from '../telemetry/peer.ts'
import { durationBuckets, histogram, oncePerProvider } from '../telemetry/metrics.ts'
import { knownMethod } from '../telemetry/outcome.ts'

// Created on first use, since a client may be made before telemetry is started.
const duration = oncePerProvider(() =>
  histogram(
    'http.client.request.duration',
    'Time from the sending of a request until its answer has been read or has failed.',
    durationBuckets,
  ),
)

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
  const attributes: Attributes = { 'http.request.method': knownMethod(method), ...peerOf(url) }
  if (status !== undefined) attributes['http.response.status_code'] = status
  if (errorType !== undefined) attributes['error.type'] = errorType
  duration().record((performance.now() - startedAt) / 1_000, attributes)
}
