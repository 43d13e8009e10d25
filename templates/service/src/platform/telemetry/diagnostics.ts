import { format } from 'node:util'
import { DiagLogLevel, type DiagLogger } from '@opentelemetry/api'
import type { Lifetime } from '../../context/context.ts'
import type { Log } from './log.ts'

/** A collector that is away fails every batch: a message that repeats is counted, and logged once a minute. */
const silenceMs = 60_000

/** What OpenTelemetry reports of itself, as lines of our log. */
export interface Diagnostics {
  readonly logger: DiagLogger
  /** Logs that exports will fail with `code`; their own reports count as repetitions of this line. */
  warnOfFailures(code: string, sentence: string): void
  /** How many warnings and errors there were so far, logged or held back. */
  readonly count: number
}

/** Logs what OpenTelemetry reports as warnings; details, which it only gives if asked for, as debug lines. */
export function diagnostics(root: Lifetime, log: Log): Diagnostics {
  const repeated = repetitions(silenceMs)
  let count = 0

  function report(message: string, ...added: unknown[]): void {
    count++
    const { sentence, code } = reasonIn(format(message, ...added.map(withoutStack)))
    warn(code ?? sentence.replaceAll(/\d+/g, '#'), sentence)
  }

  function warn(kind: string, sentence: string): void {
    const held = repeated(kind)
    if (held === undefined) return
    log.warn(root, `telemetry: ${sentence}`, held > 0 ? { repeated: held } : {})
  }
  const detail = (message: string): void => log.debug(root, `telemetry: ${message}`)

  return {
    warnOfFailures: warn,
    logger: { error: report, warn: report, info: detail, debug: detail, verbose: detail },
    get count() {
      return count
    },
  }
}

function withoutStack(added: unknown): unknown {
  return added instanceof Error ? added.message : added
}

/** The level that `OTEL_LOG_LEVEL` names; warnings if it names none. */
export function diagnosticsLevel(name = ''): DiagLogLevel {
  const levels = Object.entries(DiagLogLevel).filter(
    (entry): entry is [string, DiagLogLevel] => typeof entry[1] === 'number',
  )
  return new Map(levels).get(name.toUpperCase()) ?? DiagLogLevel.WARN
}

/**
 * The SDK reports an exception as JSON text of all its properties, stack included.
 * @returns a sentence, and the code of the exception if it has one
 */
function reasonIn(message: string): { sentence: string; code?: string } {
  if (!message.startsWith('{')) return { sentence: message }
  try {
    const { name, code, message: reason } = JSON.parse(message) as Record<string, unknown>
    const kind = code ?? (name === 'Error' ? undefined : name)
    const parts = [kind, reason].filter((part) => typeof part === 'string' && part !== '')
    if (parts.length === 0) return { sentence: message }
    const sentence = `an export failed, check OTEL_EXPORTER_OTLP_ENDPOINT: ${parts.join(' ')}`
    return typeof code === 'string' ? { sentence, code } : { sentence }
  } catch {
    return { sentence: message }
  }
}

/** Beyond this many different kinds the oldest ones may be logged early. */
const maxRemembered = 50

/**
 * Decides which messages of a kind are logged: the first, and then one in `silenceMs` milliseconds.
 * @returns a function that takes the kind of a message. It returns undefined if the message is held back, else how many of its
 * kind were held back before it
 */
export function repetitions(silenceMs: number): (kind: string) => number | undefined {
  const logged = new Map<string, { at: number; held: number }>()
  return (kind) => {
    const before = logged.get(kind)
    const now = performance.now()
    if (before !== undefined && now - before.at < silenceMs) {
      before.held++
      return undefined
    }
    if (logged.size >= maxRemembered) logged.clear()
    logged.set(kind, { at: now, held: 0 })
    return before?.held ?? 0
  }
}
