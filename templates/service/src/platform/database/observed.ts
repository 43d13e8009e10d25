import { SpanKind, type Span } from '@opentelemetry/api'
import pg, { type PoolConfig } from 'pg'
import type { Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { causeName } from '../causes.ts'
import { statementDuration } from '../telemetry/database-metrics.ts'
import type { Series } from '../telemetry/histogram.ts'
import { isObserved, recordEnd, span } from '../telemetry/span.ts'
import { QueryFailed } from './errors.ts'
import { perText } from './statement.ts'

/**
 * Calls `body`, which executes the statement `text`, in a span, and measures it, by the stable conventions
 * (https://opentelemetry.io/docs/specs/semconv/database/postgresql). The text is recorded whole: its values are parameters.
 */
export type Observe = <T>(ctx: Context, text: string, body: (ctx: Context) => Promise<T>) => Promise<T>

/** Observes statements of the database that `options` name. Call it after `startTelemetry`. */
export function observeStatements(options: PoolConfig): Observe {
  // The constructor does not connect.
  const { host, port, database } = new pg.Client(options)
  const server = {
    'db.system.name': 'postgresql',
    'db.namespace': database,
    'server.address': host,
    // A host that begins with a slash is the directory of a socket.
    ...(!host.startsWith('/') && { 'server.port': port }),
  }
  const duration = statementDuration()
  // Made once for each text, since it is the same for each execution.
  const textOf = perText((text) => {
    const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'QUERY'
    const about = { 'db.operation.name': operation, ...server }
    const succeeded = duration.find(operation) ?? duration.add(operation, about)
    const options = { kind: SpanKind.CLIENT, attributes: { 'db.query.text': text, ...about } }
    return { operation, about, succeeded, options }
  })
  return async (ctx, text, body) => {
    const { operation, about, succeeded, options } = textOf(text)
    const startedAt = performance.now()
    const record = (series: Series): void => series.record((performance.now() - startedAt) / 1_000)
    try {
      const result = isObserved(ctx)
        ? await span(ctx, operation, options, body, recordFailure)
        : await body(ctx)
      record(succeeded)
      return result
    } catch (error) {
      const code = codeOf(error)
      const type = causeName(ctx) ?? code ?? errorOf(error).name
      const key = `${operation} ${code} ${type}`
      const status = code === undefined ? undefined : { 'db.response.status_code': code }
      record(duration.find(key) ?? duration.add(key, { ...about, ...status, 'error.type': type }))
      throw error
    }
  }
}

function recordFailure(ctx: Context, current: Span, error: unknown): void {
  recordEnd(ctx, current, error)
  const code = codeOf(error)
  if (code !== undefined) current.setAttribute('db.response.status_code', code)
}

/** The SQLSTATE that Postgres answered with. */
function codeOf(error: unknown): string | undefined {
  return error instanceof QueryFailed ? error.sqlState : undefined
}
