import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhenResult,
  type IBackoff,
} from 'cockatiel'
import { Canceled, type Context } from '../../context/context.ts'
import { CallFailed } from './call-failed.ts'
import type { Breaker } from './client.ts'
import type { Log } from '../telemetry/log.ts'

/** How many failures in a row open the circuit. */
const failuresToOpen = 5

/** How long the circuit stays open before one attempt tests the peer. */
const openMs = 10_000

/** How an attempt ended. `failed`: because of the peer. */
type Attempt<T> = { readonly failed: boolean } & ({ readonly value: T } | { readonly error: unknown })

/**
 * A circuit breaker for one peer. After five failed attempts in a row it refuses calls at once, and our own client gets a 503
 * with `Retry-After`. Ten seconds later it lets one attempt through, and closes the circuit if that does not fail. It logs each
 * change: `circuit opened`, `circuit closed`.
 *
 * An attempt has failed if the peer does not answer in time, or answers with a 5xx, 408 or 429. Any other answer shows that the
 * peer works, even if the call fails. If the caller leaves or its own deadline passes, the attempt does not count: if it was the
 * one that tests the peer, the next attempt takes its place.
 */
export function circuit(log: Log, peer: string): Breaker {
  const pause = openPause()
  const policy = circuitBreaker(handleWhenResult(isFailure), {
    breaker: new ConsecutiveBreaker(failuresToOpen),
    halfOpenAfter: pause.backoff,
  })
  let logged = policy.state
  let lastFailure: unknown

  async function attempted<T>(
    ctx: Context,
    probes: boolean,
    attempt: (ctx: Context) => Promise<T>,
  ): Promise<Attempt<T>> {
    try {
      return { failed: false, value: await attempt(ctx) }
    } catch (error) {
      const shown = whatItShows(ctx, error)
      // The breaker ignores a thrown error, except when half open: then the error would close the circuit.
      if (shown === 'nothing' && !probes) throw error
      if (shown === 'nothing') pause.skip()
      if (shown === 'failed') lastFailure = error
      return { failed: shown !== 'works', error }
    }
  }

  /** Logs a change of state once, under the ctx of the first call that sees it. */
  function logChange(ctx: Context): void {
    const { state } = policy
    if (state === logged || state === CircuitState.HalfOpen) return
    logged = state
    if (state === CircuitState.Open) log.warn(ctx, 'circuit opened', { peer, openMs, error: lastFailure })
    else log.info(ctx, 'circuit closed', { peer })
  }

  return {
    async execute(ctx, call, attempt) {
      const { state } = policy
      try {
        if (state === CircuitState.HalfOpen) throw new BrokenCircuitError()
        const made = await policy.execute(() => attempted(ctx, state === CircuitState.Open, attempt))
        if ('error' in made) throw made.error
        return made.value
      } catch (error) {
        if (!(error instanceof BrokenCircuitError)) throw error
        const retryAfterMs = Math.max(pause.leftMs(), 1_000)
        throw new CallFailed(
          `${call}: not sent, because ${peer} has failed ${failuresToOpen} times in a row`,
          { how: 'open', retryAfterMs, cause: lastFailure },
        )
      } finally {
        logChange(ctx)
      }
    },
  }
}

/**
 * Makes the pause of a circuit, which starts again at each opening. It uses the monotonic clock: cockatiel compares wall-clock
 * times with `duration`, and a clock that is set back by an hour would keep the circuit open for an hour.
 */
function openPause() {
  let until = 0
  let skips = false
  const leftMs = (): number => until - performance.now()
  const backoff: IBackoff<unknown> = {
    get duration() {
      return leftMs() > 0 ? Infinity : -Infinity
    },
    next() {
      if (!skips) until = performance.now() + openMs
      skips = false
      return backoff
    },
  }
  return {
    backoff,
    leftMs,
    /** The next opening is without a pause. */
    skip() {
      skips = true
    },
  }
}

function isFailure(made: unknown): boolean {
  return (made as Attempt<unknown>).failed
}

/** Whether a failed attempt counts against the peer. The client's own timeout ends ctx too, but its cause is a CallFailed. */
function whatItShows(ctx: Context, error: unknown): 'failed' | 'works' | 'nothing' {
  if (ctx.err === Canceled || !(error instanceof CallFailed)) return 'nothing'
  const { how, status = 0 } = error
  if (how === 'status') return status >= 500 || status === 408 || status === 429 ? 'failed' : 'works'
  return how === 'answer' ? 'works' : 'failed'
}
