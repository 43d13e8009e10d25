import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import {
  afterFunc,
  cause,
  throwIfEnded,
  withoutCancel,
  withTimeout,
  type Context,
} from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import type { Place } from './admission.ts'
import type { Cancels } from './cancel.ts'
import { ConnectionLost, QueryFailed } from './errors.ts'
import { closeAbruptly } from './packet.ts'
import { outlastsCall, outlastsFailure } from './session.ts'
import { cancelledWith, requireSendable, statementSpan, submit } from './statement.ts'

/** One connection, borrowed from the pool by one call. Its statements run one after the other. */
export interface Connection {
  /**
   * Runs one statement under `ctx`, in a span. When ctx ends it is cancelled in Postgres; this settles only when the
   * connection can be used again: after the server has ended the statement and has had its cancel.
   * @throws the cause of ctx if it has ended, QueryFailed, ConnectionLost, or what pg throws of what it cannot send
   */
  execute(ctx: Context, statement: QueryConfig, values?: unknown[]): Promise<QueryResult>
  /**
   * Runs a statement that must not be cancelled once it is sent, such as COMMIT: the end of ctx does not end it. If Postgres
   * does not answer within `budgetMs` milliseconds, the connection is closed.
   * @throws QueryFailed, ConnectionLost
   */
  conclude(ctx: Context, text: string, budgetMs: number): Promise<QueryResult>
  /** Resolves when no statement is under way. */
  idle(): Promise<void>
  /** Whether a transaction is open, also a failed one. */
  inTransaction(): boolean
  /** Makes `release` close the connection. */
  retire(): void
  /**
   * Returns the connection to the pool. Closes it instead if it is broken, runs a statement, has a transaction open, or keeps
   * a setting of this caller.
   */
  release(): void
}

/** Takes over `client`, and its place in the pool, until `release`. Its statements are cancelled through `cancels`. */
export function borrowed(client: PoolClient, cancels: Cancels, place: Place): Connection {
  return new Borrowed(client, cancels, place)
}

class Borrowed implements Connection {
  readonly #client: PoolClient
  readonly #cancels: Cancels
  readonly #place: Place
  /** Why the connection is of no use any more. */
  #broken: Error | undefined
  /** Why a statement could not be sent: the protocol is in the middle of a message. */
  #unsent: unknown
  #retired = false
  #released = false
  #underWay = 0
  #last: Promise<unknown> = Promise.resolve()
  readonly #onError = (error: unknown): void => {
    this.#broken ??= errorOf(error)
  }

  constructor(client: PoolClient, cancels: Cancels, place: Place) {
    this.#client = client
    this.#place = place
    this.#cancels = cancels
    // While a client is out of its pool nobody else listens, and an error event without a listener ends the process.
    client.on('error', this.#onError)
  }

  execute(ctx: Context, statement: QueryConfig, values?: unknown[]): Promise<QueryResult> {
    return this.#inTurn(() => statementSpan(ctx, statement.text, (ctx) => this.#run(ctx, statement, values)))
  }

  conclude(ctx: Context, text: string, budgetMs: number): Promise<QueryResult> {
    return this.#inTurn(async () => {
      // If it were cancelled half-way, nobody would know its outcome. It ends with its answer, or its connection.
      using patience = withTimeout(withoutCancel(ctx), budgetMs)
      const stop = afterFunc(patience, () => closeAbruptly(this.#client))
      try {
        // Detached again: the end of `patience` closes the connection, and sends no cancel.
        return await statementSpan(withoutCancel(patience), text, (ctx) =>
          this.#run(ctx, { text }, undefined),
        )
      } finally {
        stop()
      }
    })
  }

  async idle(): Promise<void> {
    await this.#last
  }

  inTransaction(): boolean {
    return this.#client.getTransactionStatus() !== 'I'
  }

  retire(): void {
    this.#retired = true
  }

  release(): void {
    this.#released = true
    this.#client.off('error', this.#onError)
    const clean =
      this.#underWay === 0 && !this.inTransaction() && this.#unsent === undefined && !this.#retired
    this.#client.release(this.#broken ?? !clean)
    this.#place.release()
  }

  async #run(ctx: Context, statement: QueryConfig, values: unknown[] | undefined): Promise<QueryResult> {
    throwIfEnded(ctx)
    this.#requireUsable()
    requireSendable(values)
    if (outlastsCall(statement.text)) this.#retired = true
    return cancelledWith(ctx, this.#client, this.#cancels, this.#onError, async () => {
      try {
        return await submit(this.#client, statement, values)
      } catch (error) {
        const failure = this.#failureOf(error, statement, values)
        throw cause(ctx) ?? failure
      }
    })
  }

  #requireUsable(): void {
    if (this.#released) throw new Error('a connection was used after it had been given back')
    if (this.#unsent !== undefined)
      throw new Error('an earlier statement could not be sent', { cause: this.#unsent })
    if (this.#broken !== undefined) throw connectionLost(this.#broken)
  }

  /** Notes what the failure says of the connection. @returns the failure as the caller gets it, if its context has not ended */
  #failureOf(error: unknown, { text }: QueryConfig, values: readonly unknown[] = []): unknown {
    const refused = error instanceof pg.DatabaseError
    if (refused && outlastsFailure(error)) this.#retired = true
    if (!refused && this.#broken === undefined) this.#unsent = error
    if (this.#broken !== undefined) return connectionLost(error)
    return refused ? new QueryFailed(error, text, values) : error
  }

  /** Runs `work` when every statement before it has ended. */
  #inTurn(work: () => Promise<QueryResult>): Promise<QueryResult> {
    this.#underWay++
    const turn = this.#last.then(work).finally(() => this.#underWay--)
    this.#last = turn.catch(() => undefined)
    return turn
  }
}

function connectionLost(error: unknown): ConnectionLost {
  return new ConnectionLost(errorOf(error).message, { cause: error })
}
