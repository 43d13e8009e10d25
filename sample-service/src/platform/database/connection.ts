import { SpanKind } from '@opentelemetry/api'
import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import {
  afterFunc,
  cause,
  contextName,
  withoutCancel,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
} from '../../context/context.ts'
import { ConnectionLost, QueryFailed } from './errors.ts'
import { outlastsCall, outlastsFailure } from './session.ts'
import type { Cancels } from './cancel.ts'
import { closeAbruptly } from './packet.ts'
import { span } from '../telemetry/span.ts'
import { unwound } from '../telemetry/unwound.ts'

const maxValues = 65_535
/** How long a cancelled statement may take to end before its connection is closed instead. */
const cancelBudgetMs = 5_000

/** One connection, borrowed from the pool by one call. Its statements run one after the other. */
export interface Connection {
  /**
   * Runs one statement under `ctx`, in a span. When ctx ends it is cancelled in Postgres; this settles only when the
   * connection can be used again: after the server has ended the statement and has had its cancel.
   * @throws the cause of ctx if it has ended, QueryFailed, ConnectionLost, or what pg throws of what it cannot send
   */
  execute(ctx: Context, statement: QueryConfig, values?: unknown[]): Promise<QueryResult>
  /**
   * Runs what must not be cancelled once it is sent, as COMMIT: the end of ctx is not looked at. Without an answer
   * `budgetMs` milliseconds after it was sent the connection is closed.
   * @throws QueryFailed, ConnectionLost
   */
  conclude(ctx: Context, text: string, budgetMs: number): Promise<QueryResult>
  /** Resolves when no statement is under way. */
  idle(): Promise<void>
  /** Whether a transaction is open, also a failed one. */
  inTransaction(): boolean
  /** Has `release` close it. */
  retire(): void
  /** Gives the connection back; closes it instead if it is broken, at work, has a transaction open, or keeps what a caller has set. */
  release(): void
}

/** Takes over `client` until `release`. Its statements are cancelled through `cancels`. */
export function borrowed(client: PoolClient, cancels: Cancels): Connection {
  let broken: Error | undefined
  /** What could not be sent: it has left the protocol in the middle of a message. */
  let unsent: unknown
  let retired = false
  let released = false
  let underWay = 0
  let last: Promise<unknown> = Promise.resolve()
  // While a client is out of its pool nobody else listens, and an error event without a listener ends the process.
  const onError = (error: unknown): void => {
    broken ??= error instanceof Error ? error : new Error(String(error))
  }
  client.on('error', onError)
  const isBroken = (): boolean => broken !== undefined

  async function run(
    ctx: Context,
    statement: QueryConfig,
    values: unknown[] | undefined,
  ): Promise<QueryResult> {
    const ended = cause(ctx)
    if (ended !== undefined) throw ended
    if (released) throw new Error('a connection was used after it had been given back')
    if (unsent !== undefined) throw new Error('an earlier statement could not be sent', { cause: unsent })
    if (broken !== undefined) throw connectionLost(broken)
    requireSendable(values)
    if (outlastsCall(statement.text)) retired = true
    let settled = false
    let endedAt = 0
    let ending: CancelContext | undefined
    let cancelled: Promise<void> | undefined
    const stop = afterFunc(ctx, () => {
      if (settled) return
      endedAt = performance.now()
      // Its end is why there is something to cancel. Ended below, when the statement has.
      ending = withTimeout(withValue(withoutCancel(ctx), contextName, 'cancel'), cancelBudgetMs)
      cancelled = cancels.cancel(ending, client).catch((error: unknown) => {
        // The statement cannot be ended politely, or a cancel would hit the next one.
        closeAbruptly(client)
        onError(error)
      })
    })
    try {
      return await submit(client, statement, values)
    } catch (error) {
      if (error instanceof pg.DatabaseError && outlastsFailure(error)) retired = true
      if (!isBroken() && !(error instanceof pg.DatabaseError)) unsent = error
      throw cause(ctx) ?? (isBroken() ? connectionLost(error) : failureOf(error, statement, values))
    } finally {
      settled = true
      stop()
      if (ending !== undefined) {
        ending.cancel()
        unwound(ctx, 'database', endedAt)
      }
      // A cancel that is on its way still would hit the next statement of this backend.
      await cancelled
    }
  }

  /** Runs `work` when every statement before it has ended. */
  function inTurn(work: () => Promise<QueryResult>): Promise<QueryResult> {
    underWay++
    const turn = last.then(work).finally(() => underWay--)
    last = turn.catch(() => undefined)
    return turn
  }

  return {
    execute(ctx, statement, values) {
      return inTurn(() => traced(ctx, statement.text, (ctx) => run(ctx, statement, values)))
    },
    conclude(ctx, text, budgetMs) {
      return inTurn(async () => {
        // Cancelled half-way it would leave nobody knowing what became of it. It ends with its answer, or its connection.
        using patience = withTimeout(withoutCancel(ctx), budgetMs)
        const stop = afterFunc(patience, () => closeAbruptly(client))
        try {
          // The same: the end of its patience closes the connection, which a cancel would keep.
          return await traced(withoutCancel(patience), text, (ctx) => run(ctx, { text }, undefined))
        } finally {
          stop()
        }
      })
    },
    async idle() {
      await last
    },
    inTransaction() {
      return client.getTransactionStatus() !== 'I'
    },
    retire() {
      retired = true
    },
    release() {
      released = true
      client.off('error', onError)
      const clean =
        underWay === 0 && client.getTransactionStatus() === 'I' && unsent === undefined && !retired
      client.release(broken ?? !clean)
    },
  }
}

/** Settles when Postgres is ready for the next statement, or gone: pg itself reports an error before that. */
function submit(
  client: PoolClient,
  statement: QueryConfig,
  values: unknown[] | undefined,
): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const onResult = (error: Error | null | undefined, result: QueryResult): void => {
      if (error === null || error === undefined) {
        resolve(result)
        return
      }
      if (!(error instanceof pg.DatabaseError)) {
        reject(error)
        return
      }
      // 'drain' follows ReadyForQuery; after a FATAL error the connection ends instead.
      const done = (): void => {
        client.off('drain', done).off('end', done)
        reject(error)
      }
      client.on('drain', done).on('end', done)
    }
    client.query({ ...statement, values: values ?? [] }, onResult)
  })
}

/** The protocol counts the values of a statement in 16 bits, and pg sends what is left of a greater number. */
function requireSendable(values: readonly unknown[] = []): void {
  if (values.length > maxValues)
    throw new RangeError(
      `a statement has at most ${maxValues} values, this one ${values.length}: send them in batches`,
    )
}

function failureOf(error: unknown, { text }: QueryConfig, values: readonly unknown[] = []): unknown {
  return error instanceof pg.DatabaseError ? new QueryFailed(error, text, values) : error
}

function connectionLost(error: unknown): ConnectionLost {
  return new ConnectionLost(error instanceof Error ? error.message : String(error), { cause: error })
}

/** https://opentelemetry.io/docs/specs/semconv/database/postgresql: the text is parameterised, values stay out. */
function traced<T>(ctx: Context, text: string, work: (ctx: Context) => Promise<T>): Promise<T> {
  const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'QUERY'
  const attributes = { 'db.system.name': 'postgresql', 'db.operation.name': operation, 'db.query.text': text }
  return span(ctx, operation, { kind: SpanKind.CLIENT, attributes }, work)
}
