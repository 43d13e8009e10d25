import { Problem } from '../problem.ts'

/** What is known of a call that failed, beside its message. */
export interface CallFailure {
  /**
   * `connection`: there was none, or it broke. `status`: the peer answered, and did not do it. `answer`: what it
   * answered is not what it should be. `timeout`: it took too long. `open`: it was not asked, for it has failed too
   * often of late.
   */
  readonly how: 'connection' | 'status' | 'answer' | 'timeout' | 'open'
  /** What the peer answered, where `how` is `status`. */
  readonly status?: number
  /**
   * Milliseconds that the peer asks to wait for: its `Retry-After`; or until it is asked again, where `how` is `open`. More than
   * an hour is an hour; what is no such number asks for nothing.
   */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** A peer may ask for any number, and our own client is told it. */
const longestRetryAfterMs = 3_600_000

/** An answer that says: not now. */
const transient: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * Another service did not do what it was called for. The message says which, what it was asked and what came instead:
 * for the log. Our own client gets `problem`, which tells none of it.
 */
export class CallFailed extends Error {
  override readonly name = 'CallFailed'
  readonly how: CallFailure['how']
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined

  constructor(message: string, failure: CallFailure) {
    super(message, { cause: failure.cause })
    this.how = failure.how
    this.status = failure.status
    const { retryAfterMs = 0 } = failure
    this.retryAfterMs = retryAfterMs > 0 ? Math.min(retryAfterMs, longestRetryAfterMs) : undefined
  }

  /** Whether the same call may succeed later. */
  get transient(): boolean {
    if (this.how === 'connection' || this.how === 'open') return true
    return this.status !== undefined && transient.has(this.status)
  }
  /** The answer to a client that need not know whom we call: 502, 503 or 504. A peer's `Retry-After` is handed on. */
  get problem(): Problem {
    if (this.how === 'timeout' || this.status === 504) {
      return new Problem(504, 'Gateway Timeout', 'a service that this one needs did not answer in time', {
        cause: this,
      })
    }
    if (this.transient && this.status !== 502) {
      return new Problem(503, 'Service Unavailable', 'a service that this one needs is not available', {
        headers: { 'retry-after': String(Math.ceil((this.retryAfterMs ?? 1_000) / 1_000)) },
        cause: this,
      })
    }
    return new Problem(502, 'Bad Gateway', 'a service that this one needs did not answer as it should', {
      cause: this,
    })
  }
}
