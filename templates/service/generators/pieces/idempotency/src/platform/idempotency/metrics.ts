import { metrics } from '@opentelemetry/api'
import type { Context } from '../../context/context.ts'
import { spanOf } from '../telemetry/span.ts'

/** What became of a request to an idempotent route: only `done` did the work. */
type Outcome = 'done' | 'repeated' | 'under way' | 'reused' | 'missing'

/** Counts the request, and notes the outcome in its span. */
export function recordOutcome(ctx: Context, outcome: Outcome): void {
  spanOf(ctx)?.setAttribute('idempotency.outcome', outcome)
  metrics
    .getMeter('mainstem-service')
    .createCounter('idempotency.requests', {
      description: 'Requests to idempotent routes, by what became of them.',
      unit: '{request}',
    })
    .add(1, { 'idempotency.outcome': outcome })
}
