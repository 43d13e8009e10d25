import { SpanKind } from '@opentelemetry/api'
import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import {
  afterFunc,
  contextName,
  withoutCancel,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
} from '../../context/context.ts'
import { span } from '../telemetry/span.ts'
import { unwound } from '../telemetry/metrics.ts'
import type { Cancels } from './cancel.ts'
import { closeAbruptly } from './packet.ts'

/** The protocol counts the values of a statement in 16 bits. pg sends the low 16 bits of a greater number. */
const maxValues = 65_535
/** How long a cancelled statement may take to end before its connection is closed. */
const cancelBudgetMs = 5_000

/** @throws RangeError if the protocol cannot carry so many values */
export function requireSendable(values: readonly unknown[] = []): void {
  if (values.length > maxValues)
    throw new RangeError(
      `a statement has at most ${maxValues} values, this one ${values.length}: send them in batches`,
    )
}

/**
 * Runs `work`, a statement on `client`, and cancels it in Postgres if ctx ends first. Settles when no cancel is on its way to
 * this backend. If a cancel fails, it closes the connection: the cancel may still hit the next statement.
 */
export async function cancelledWith(
  ctx: Context,
  client: PoolClient,
  cancels: Cancels,
  onBroken: (error: unknown) => void,
  work: () => Promise<QueryResult>,
): Promise<QueryResult> {
  let settled = false
  let endedAt = 0
  let cancelling: CancelContext | undefined
  let cancelled: Promise<void> | undefined
  const stop = afterFunc(ctx, () => {
    if (settled) return
    endedAt = performance.now()
    // Detached: ctx has already ended. It ends below, with the statement.
    cancelling = withTimeout(withValue(withoutCancel(ctx), contextName, 'cancel'), cancelBudgetMs)
    cancelled = cancels.cancel(cancelling, client).catch((error: unknown) => {
      closeAbruptly(client)
      onBroken(error)
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

/** Settles when Postgres is ready for the next statement, or gone: pg itself reports an error before that. */
export function submit(
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

/** Runs `work` in a span of `text`, which is parameterised: https://opentelemetry.io/docs/specs/semconv/database/postgresql */
export function statementSpan<T>(ctx: Context, text: string, work: (ctx: Context) => Promise<T>): Promise<T> {
  const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'QUERY'
  const attributes = { 'db.system.name': 'postgresql', 'db.operation.name': operation, 'db.query.text': text }
  return span(ctx, operation, { kind: SpanKind.CLIENT, attributes }, work)
}
