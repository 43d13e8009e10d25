import { SpanKind } from '@opentelemetry/api'
import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import type { Context } from '../../context/context.ts'
import { span } from '../telemetry/span.ts'

/** The protocol counts the values of a statement in 16 bits; pg would send the low 16 bits of a larger number. */
const maxValues = 65_535

/** @throws RangeError if the protocol cannot carry so many values */
export function requireSendable(values: readonly unknown[] = []): void {
  if (values.length > maxValues)
    throw new RangeError(
      `a statement has at most ${maxValues} values, this one ${values.length}: send them in batches`,
    )
}

/** Settles when Postgres is ready for the next statement, or gone: pg itself reports an error before that. */
export function submit(
  client: PoolClient,
  statement: QueryConfig,
  values: unknown[] = [],
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
    client.query({ ...statement, values }, onResult)
  })
}

/** Calls `body` in a span of `text`, which is parameterised: https://opentelemetry.io/docs/specs/semconv/database/postgresql */
export function statementSpan<T>(ctx: Context, text: string, body: (ctx: Context) => Promise<T>): Promise<T> {
  const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'QUERY'
  const attributes = { 'db.system.name': 'postgresql', 'db.operation.name': operation, 'db.query.text': text }
  return span(ctx, operation, { kind: SpanKind.CLIENT, attributes }, body)
}
