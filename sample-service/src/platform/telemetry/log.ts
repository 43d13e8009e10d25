import pino from 'pino'
import type { Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { requestOf } from '../request.ts'
import { openPretty } from './pretty.ts'
import { traceOf } from './span.ts'
import { Stdout } from './stdout.ts'

/** What a line may carry in addition to its message. An error goes under `err`. */
export type Fields = Readonly<Record<string, unknown>>

/** Structured lines, one JSON object each, with the request id and the trace id of the context they are written in. */
export interface Log {
  debug(ctx: Context, message: string, fields?: Fields): void
  info(ctx: Context, message: string, fields?: Fields): void
  warn(ctx: Context, message: string, fields?: Fields): void
  error(ctx: Context, message: string, fields?: Fields): void
  fatal(ctx: Context, message: string, fields?: Fields): void
}

/** The log as `main` has it. */
export interface ProcessLog extends Log, Pick<Stdout, 'flush' | 'dropped'> {}

/**
 * A log on stdout that never makes its caller wait: lines that stdout does not take are dropped and counted, and the log says how
 * many once it takes lines again.
 * @param options.level the least severe level that is written; `info` if it is undefined or no level: the configuration
 * complains of that when it is read, and needs a log to do so
 * @param options.format `json` or `pretty`; for any other value, `pretty` if stdout is a terminal. Without pino-pretty, which
 * production does not install, it is always `json`
 */
export function createLog(options: {
  level: string | undefined
  format?: string | undefined
  service: string
}): ProcessLog {
  const { isTTY } = process.stdout
  const stdout = new Stdout((lines) =>
    logger.error({ dropped: lines }, `${lines} lines of the log were dropped: stdout did not take them`),
  )
  const prettify = isPretty(options.format) ? openPretty(isTTY && process.stdout.hasColors()) : undefined
  const logger = pino(
    {
      level: isLevel(options.level) ? options.level : 'info',
      base: { service: options.service, pid: process.pid },
      timestamp: timeMember,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    prettify === undefined ? stdout : { write: (line) => stdout.write(prettify(line)) },
  )
  const write =
    (level: keyof Log) =>
    (ctx: Context, message: string, fields?: Fields): void => {
      if (!logger.isLevelEnabled(level)) return
      // With a second spread the object would cost as much as the line.
      logger[level](Object.assign(identityOf(ctx), fields), message)
    }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    flush: (ctx) => stdout.flush(ctx),
    get dropped() {
      return stdout.dropped
    },
  }
}

let shownMs = 0
let shown = ''

/** What pino's own isoTime writes. V8 makes the text of a time in 2 µs, and the lines of a millisecond share it. */
function timeMember(): string {
  const now = Date.now()
  if (now !== shownMs) {
    shownMs = now
    shown = `,"time":"${new Date(now).toISOString()}"`
  }
  return shown
}

/** pino marks each error that it serializes, and throws if the error is frozen. JSON would call the `toJSON` of an error. */
function serializeError(error: unknown): object {
  // A text, which has no stack.
  if (!(error instanceof Error)) return { type: typeof error, message: errorOf(error).message }
  try {
    return { ...pino.stdSerializers.err(error), toJSON: undefined }
  } catch {
    return { type: error.name, message: error.message, stack: error.stack }
  }
}

function isPretty(format: string | undefined): boolean {
  return format === 'pretty' || (format !== 'json' && process.stdout.isTTY)
}

function isLevel(level: string | undefined): level is string {
  return level !== undefined && (level === 'silent' || level in pino.levels.values)
}

/** pino leaves out what is undefined. */
function identityOf(ctx: Context): Record<string, unknown> {
  const request = requestOf(ctx)
  const trace = traceOf(ctx)
  return {
    requestId: request?.id,
    principal: request?.principal,
    traceId: trace?.traceId,
    spanId: trace?.spanId,
  }
}
