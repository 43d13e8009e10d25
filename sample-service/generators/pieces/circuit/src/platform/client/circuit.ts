import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhenResult,
} from 'cockatiel'
import { Canceled, type Context } from '../../context/context.ts'
import { CallFailed } from './call-failed.ts'
import type { Breaker } from './client.ts'
import type { Log } from '../telemetry/log.ts'

/** So many attempts that fail, one after the other, open the circuit. */
const failuresToOpen = 5

/** Milliseconds until one attempt may find out whether the peer is back. */
const openMs = 10_000

/** What an attempt gave. `failed` is what it says of the peer. */
type Outcome<T> = { readonly failed: boolean } & ({ readonly value: T } | { readonly error: unknown })

/**
 * A circuit breaker for one peer. After five attempts in a row that the peer failed, calls are refused at once, which our
 * own client gets as a 503 with `Retry-After`. Ten seconds later one attempt is let through, and closes the circuit if the
 * peer did not fail it. How often that happens is in the log: `circuit opened`, `circuit closed`.
 *
 * A peer fails by not answering, too late, or with a 5xx, 408 or 429. Any other answer shows that it works, also one that the
 * call failed with. A caller that leaves, or whose own deadline passes, shows nothing.
 */
export function circuit(log: Log, peer: string): Breaker {
  const policy = circuitBreaker(handleWhenResult(isFailure), {
    breaker: new ConsecutiveBreaker(failuresToOpen),
    halfOpenAfter: openMs,
  })
  let told = policy.state
  let openedAt = 0
  let lastFailure: unknown
  policy.onBreak(() => (openedAt = Date.now()))

  async function outcomeOf<T>(
    ctx: Context,
    probes: boolean,
    attempt: (ctx: Context) => Promise<T>,
  ): Promise<Outcome<T>> {
    try {
      return { failed: false, value: await attempt(ctx) }
    } catch (error) {
      const shown = whatItShows(ctx, error)
      // Thrown, it would count for neither, but would close a circuit that waits for it.
      if (shown === 'nothing' && !probes) throw error
      if (shown === 'failed') lastFailure = error
      return { failed: shown !== 'works', error }
    }
  }

  /** Whoever sees a change first tells of it, under its own ctx. */
  function tell(ctx: Context): void {
    const { state } = policy
    if (state === told || state === CircuitState.HalfOpen) return
    told = state
    if (state === CircuitState.Open) log.warn(ctx, 'circuit opened', { peer, openMs, error: lastFailure })
    else log.info(ctx, 'circuit closed', { peer })
  }

  return {
    async run(ctx, call, attempt) {
      const { state } = policy
      try {
        if (state === CircuitState.HalfOpen) throw new BrokenCircuitError()
        const outcome = await policy.execute(() => outcomeOf(ctx, state === CircuitState.Open, attempt))
        if ('error' in outcome) throw outcome.error
        return outcome.value
      } catch (error) {
        if (!(error instanceof BrokenCircuitError)) throw error
        const retryAfterMs = Math.max(openedAt + openMs - Date.now(), 1_000)
        throw new CallFailed(`${call}: not sent, since ${peer} has failed ${failuresToOpen} times in a row`, {
          how: 'open',
          retryAfterMs,
          cause: lastFailure,
        })
      } finally {
        tell(ctx)
      }
    },
  }
}

function isFailure(outcome: unknown): boolean {
  return (outcome as Outcome<unknown>).failed
}

/** What a failed attempt says of the peer. The client's own timeout ends ctx too, but its cause is a CallFailed. */
function whatItShows(ctx: Context, error: unknown): 'failed' | 'works' | 'nothing' {
  if (ctx.err === Canceled || !(error instanceof CallFailed)) return 'nothing'
  const { how, status = 0 } = error
  if (how === 'status') return status >= 500 || status === 408 || status === 429 ? 'failed' : 'works'
  return how === 'answer' ? 'works' : 'failed'
}
