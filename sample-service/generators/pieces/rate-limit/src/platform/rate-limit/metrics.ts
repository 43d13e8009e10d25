import { meter, oncePerProvider } from '../telemetry/metrics.ts'

const checked = oncePerProvider(() =>
  meter().createCounter('rate_limit.requests', {
    description: 'Requests that a rate limit has checked.',
    unit: '{request}',
  }),
)

/** Counts a request that a limit has let pass, refused, or could not check. */
export function countChecked(limit: string, outcome: 'allowed' | 'refused' | 'unchecked'): void {
  checked().add(1, { 'rate_limit.name': limit, 'rate_limit.outcome': outcome })
}
