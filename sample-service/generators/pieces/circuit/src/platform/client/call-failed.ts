import { Problem } from '../problem.ts'

/** The details of a failed call, in addition to its message. */
export interface CallFailure {
  /**
   * `connection`: the connection failed or broke. `status`: the peer answered with an error. `answer`: the answer is not as
   * expected. `timeout`: the peer took too long. `open`: the call was not sent, because the peer failed too often.
   */
  readonly how: 'connection' | 'status' | 'answer' | 'timeout' | 'open'
  /** The status of the answer, if `how` is `status`. */
  readonly status?: number
  /**
   * How many milliseconds to wait, an hour at most: the peer's `Retry-After`; or, if `how` is `open`, until the next attempt may
   * be sent. Undefined if the peer asks for none, or for a time that is not valid.
   */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** Bounds the number, which the peer chooses and we pass on to our own client. */
const longestRetryAfterMs = 3_600_000

/** The statuses of a temporary refusal. */
const transient: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * A call to another service failed. The message, for the log, names the service, the call and the answer. Our own client gets
 * `problem`, which hides all three.
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
  /** The answer to our own client, without the name of the peer: 502, 503 or 504, with the peer's `Retry-After`. */
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
    return new Problem(502, 'Bad Gateway', 'a service that this one needs gave an invalid answer', {
      cause: this,
    })
  }
}
