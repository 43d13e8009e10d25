import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import {
  afterFunc,
  cause,
  contextName,
  throwIfEnded,
  withoutCancel,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
} from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { unwound } from '../telemetry/metrics.ts'
import { stepKey } from '../telemetry/recent.ts'
import type { Place } from './admission.ts'
import type { Cancels } from './cancel.ts'
import { sessionOf } from './client.ts'
import { ConnectionLost, QueryFailed } from './errors.ts'
import { closeAbruptly } from './packet.ts'
import { isStale, outlastsCall, requireSendable, submitFresh } from './statement.ts'
import type { Observe } from './observed.ts'

/** How long a cancelled statement may take to end before its connection is closed. */
const cancelBudgetMs = 5_000

/** One connection of the pool, which one call holds until `release`. Its statements run one after the other. */
export class Connection {
  readonly #client: PoolClient
  readonly #cancels: Cancels
  readonly #place: Place
  readonly #observe: Observe
  /** Why the connection is lost. */
  #lost: Error | undefined
  /** Why a statement could not be sent: the protocol is in the middle of a message. */
  #unsent: unknown
  #retired = false
  #released = false
  #underWay = 0
  #last: Promise<unknown> = Promise.resolve()
  readonly #onError = (error: unknown): void => {
    this.#lost ??= errorOf(error)
  }

  /** @param place in the pool, which the connection gives up with `release` */
  constructor(client: PoolClient, cancels: Cancels, place: Place, observe: Observe) {
    this.#client = client
    this.#cancels = cancels
    this.#place = place
    this.#observe = observe
    // The pool does not listen to a client that it has lent, and an error event without a listener ends the process.
    client.on('error', this.#onError)
  }

  /**
   * Executes one statement under `ctx`, in a span. When ctx ends, the statement is cancelled in Postgres. Settles only when
   * the connection can be used again: the server has ended the statement and received its cancel.
   * @throws the cause of ctx if it has ended, QueryFailed, ConnectionLost, or what pg throws if it cannot send a value
   */
  execute(ctx: Context, statement: QueryConfig, values?: unknown[]): Promise<QueryResult> {
    return this.#next(() => this.#observe(ctx, statement.text, (ctx) => this.#send(ctx, statement, values)))
  }

  /**
   * Executes a statement that must not be cancelled once it is sent, such as COMMIT, whatever becomes of ctx. If Postgres
   * does not answer within `budgetMs` milliseconds, the connection is closed.
   * @throws QueryFailed, ConnectionLost
   */
  finishWith(ctx: Context, text: string, budgetMs: number): Promise<QueryResult> {
    return this.#next(async () => {
      using patience = withTimeout(withoutCancel(ctx), budgetMs)
      const stop = afterFunc(patience, () => closeAbruptly(this.#client))
      try {
        // Detached again: the end of `patience` closes the connection, and sends no cancel.
        return await this.#observe(withoutCancel(patience), text, (ctx) =>
          this.#send(ctx, { text }, undefined),
        )
      } finally {
        stop()
      }
    })
  }

  /** Resolves when no statement is under way. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await this.#last
  }

  /** Whether a transaction is open; a failed one counts until it is rolled back. */
  inTransaction(): boolean {
    return this.#client.getTransactionStatus() !== 'I'
  }

  /** What the role or the database sets to bound a transaction: names of settings, and milliseconds, 0 for none. */
  timeouts(): readonly (readonly [string, number])[] {
    return Object.entries(sessionOf(this.#client)?.timeouts ?? {})
  }

  /** Makes `release` close the connection. */
  retire(): void {
    this.#retired = true
  }

  /**
   * Returns the connection to the pool. Closes it instead if it is broken, executes a statement, has a transaction open, or
   * keeps a setting of this caller.
   * @param ctx of the call that held it
   */
  release(ctx: Context): void {
    this.#released = true
    this.#client.off('error', this.#onError)
    const idle = this.#underWay === 0 && !this.inTransaction()
    this.#client.release(this.#lost ?? (!idle || this.#retired || this.#unsent !== undefined))
    this.#place.release(ctx)
  }

  async #send(ctx: Context, statement: QueryConfig, values: unknown[] | undefined): Promise<QueryResult> {
    throwIfEnded(ctx)
    this.#requireUsable()
    requireSendable(values)
    if (outlastsCall(statement.text)) this.#retired = true
    const step = ctx.value(stepKey)
    if (step !== undefined) step.backend = sessionOf(this.#client)?.backend
    return this.#cancelledWith(ctx, () =>
      submitFresh(this.#client, statement, values, () => this.retire()).catch((error: unknown) => {
        this.#note(error)
        throw cause(ctx) ?? this.#failureOf(error, statement, values)
      }),
    )
  }

  #requireUsable(): void {
    if (this.#released) throw new Error('a connection was used after it had been released')
    // A new error each time, so that the stack leads to this statement.
    if (this.#unsent !== undefined)
      throw new Error('an earlier statement could not be sent', { cause: this.#unsent })
    if (this.#lost !== undefined) throw connectionLost(this.#lost)
  }

  /** Notes what `error` says about the connection. */
  #note(error: unknown): void {
    // The next caller would get these too, but not on a new connection. 25006: the server turned read-only.
    if (error instanceof pg.DatabaseError) this.#retired ||= error.code === '25006' || isStale(error)
    else if (this.#lost === undefined) this.#unsent = error
  }

  /** Returns the error for the caller. Call it only if ctx has not ended: each error costs a stack. */
  #failureOf(error: unknown, { text }: QueryConfig, values: readonly unknown[] = []): unknown {
    if (this.#lost !== undefined) return connectionLost(error)
    return error instanceof pg.DatabaseError ? new QueryFailed(error, text, values) : error
  }

  /**
   * Waits for `work`, a statement, and cancels it in Postgres if ctx ends first. Settles when no cancel is on its way. If a
   * cancel fails, it closes the connection: the cancel may still hit the next statement.
   */
  async #cancelledWith(ctx: Context, work: () => Promise<QueryResult>): Promise<QueryResult> {
    let settled = false
    let endedAt = 0
    let cancelling: CancelContext | undefined
    let cancelled: Promise<void> | undefined
    const stop = afterFunc(ctx, () => {
      if (settled) return
      endedAt = performance.now()
      // Detached: ctx has already ended. It ends below, with the statement.
      cancelling = withTimeout(withValue(withoutCancel(ctx), contextName, 'cancel'), cancelBudgetMs)
      cancelled = this.#cancels.cancel(cancelling, this.#client).catch((error: unknown) => {
        closeAbruptly(this.#client)
        this.#onError(error)
      })
    })
    try {
      return await work()
    } finally {
      settled = true
      stop()
      if (cancelling !== undefined) {
        cancelling.cancel()
        unwound(ctx, 'database', endedAt)
      }
      await cancelled
    }
  }

  /** Calls `work` when every statement before it has ended. */
  #next(work: () => Promise<QueryResult>): Promise<QueryResult> {
    const result = this.#underWay++ === 0 ? work() : this.#last.then(work)
    const ended = (): void => {
      this.#underWay--
    }
    this.#last = result.then(ended, ended)
    return result
  }
}

function connectionLost(error: unknown): ConnectionLost {
  return new ConnectionLost(errorOf(error).message, { cause: error })
}
