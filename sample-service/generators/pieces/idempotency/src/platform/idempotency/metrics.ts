import type { Context } from '../../context/context.ts'
import { meter, oncePerProvider } from '../telemetry/metrics.ts'
import { spanOf } from '../telemetry/span.ts'

/** The outcome of a request to an idempotent route. Only `done` ran the work. */
export type Outcome = 'done' | 'repeated' | 'under way' | 'reused' | 'missing'

const requests = oncePerProvider(() =>
  meter().createCounter('idempotency.requests', {
    description: 'Requests to idempotent routes, by outcome.',
    unit: '{request}',
  }),
)

/** Counts the request, and notes the outcome in its span. */
export function recordOutcome(ctx: Context, outcome: Outcome): void {
  spanOf(ctx)?.setAttribute('idempotency.outcome', outcome)
  requests().add(1, { 'idempotency.outcome': outcome })
}
