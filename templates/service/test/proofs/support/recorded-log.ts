import type { Fields, Log } from '../../../src/platform/telemetry/log.ts'

/** A log that keeps its lines instead of writing them. */
export interface RecordedLog extends Log {
  readonly lines: readonly { readonly level: string; readonly message: string; readonly fields: Fields }[]
}

/** An empty one. */
export function recordedLog(): RecordedLog {
  const lines: { level: string; message: string; fields: Fields }[] = []
  const at =
    (level: string): Log['info'] =>
    (_ctx, message, fields = {}) =>
      lines.push({ level, message, fields })
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
  }
}
