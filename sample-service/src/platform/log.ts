import pino from 'pino'
import type { Context } from '../context/context.ts'
import { requestOf } from './request.ts'
import { traceOf } from './span.ts'

/** What a line may carry beside its message. An error goes under `err`. */
export type Fields = Readonly<Record<string, unknown>>

/** Structured lines, one JSON object each, with the request id and the trace id of the context they are written in. */
export interface Log {
  debug(ctx: Context, message: string, fields?: Fields): void
  info(ctx: Context, message: string, fields?: Fields): void
  warn(ctx: Context, message: string, fields?: Fields): void
  error(ctx: Context, message: string, fields?: Fields): void
  fatal(ctx: Context, message: string, fields?: Fields): void
}

/**
 * A log on stdout. It writes synchronously, so that the last line before `process.exit` is out.
 * @param options.level the least severe level that is written; `info` for none, or a name that is no level: the
 * configuration has yet to be read and to complain, and it needs a log to do so
 */
export function createLog(options: { level: string | undefined; service: string }): Log {
  const logger = pino(
    {
      level: isLevel(options.level) ? options.level : 'info',
      base: { service: options.service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 1, sync: true }),
  )
  const write =
    (level: keyof Log) =>
    (ctx: Context, message: string, fields?: Fields): void => {
      if (logger.isLevelEnabled(level)) logger[level]({ ...identityOf(ctx), ...fields }, message)
    }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
  }
}

function isLevel(level: string | undefined): level is string {
  return level !== undefined && (level === 'silent' || level in pino.levels.values)
}

function identityOf(ctx: Context): Fields {
  const request = requestOf(ctx)
  const trace = traceOf(ctx)
  return {
    ...(request !== undefined && { requestId: request.id }),
    ...(trace !== undefined && { traceId: trace.traceId, spanId: trace.spanId }),
  }
}
