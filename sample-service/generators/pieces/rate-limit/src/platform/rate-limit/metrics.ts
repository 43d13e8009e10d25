import { metrics } from '@opentelemetry/api'

/** Counts a request that a limit has let pass, refused, or could not check. */
export function countChecked(limit: string, outcome: 'allowed' | 'refused' | 'unchecked'): void {
  metrics
    .getMeter('sample-service')
    .createCounter('rate_limit.requests', {
      description: 'Requests that a rate limit was asked about.',
      unit: '{request}',
    })
    .add(1, { 'rate_limit.name': limit, 'rate_limit.outcome': outcome })
}
