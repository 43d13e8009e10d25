import { createRequire } from 'node:module'
import { styleText } from 'node:util'

/** Makes a line for people from a line of the log. */
export type Prettify = (line: string) => string

interface Line extends Readonly<Record<string, unknown>> {
  readonly msg?: string
  readonly time?: string
  readonly method?: string
  readonly path?: string
  readonly status?: number
  readonly durationMs?: number
  readonly requestId?: string
  readonly traceId?: string
  readonly cause?: string
  readonly refused?: string
  readonly err?: { readonly stack?: string; readonly statement?: unknown }
}

/**
 * Returns undefined if pino-pretty is not installed: it is a devDependency. A request becomes one line with its method, path,
 * status, duration, cause and, if it failed or ended early, its id; pino-pretty formats every other line. A line that is not JSON
 * stays as it is.
 */
export function openPretty(colour: boolean): Prettify | undefined {
  const format = loadPinoPretty(colour)
  if (format === undefined) return undefined
  return (text) => {
    const line = parse(text)
    if (line === undefined) return text
    return isRequest(line) ? requestLine(line, colour) : format(withoutNoise(line))
  }
}

/** Also one that the admin port refused. */
function isRequest({ msg }: Line): boolean {
  return msg === 'request' || msg === 'admin request'
}

function loadPinoPretty(colorize: boolean): ((line: Line) => string) | undefined {
  try {
    const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as {
      prettyFactory: (options: object) => (line: Line) => string
    }
    const ignore = 'pid,service,spanId'
    return prettyFactory({ colorize, ignore, singleLine: true, translateTime: 'SYS:HH:MM:ss' })
  } catch {
    return undefined
  }
}

function parse(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Line) : undefined
  } catch {
    return undefined
  }
}

/** Without empty objects and lists, which tell nothing. */
function withoutNoise(line: Line): Line {
  const isEmpty = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && Object.keys(value).length === 0
  const kept = Object.entries(line).filter(([, value]) => !isEmpty(value))
  const { err } = line
  return {
    ...Object.fromEntries(kept),
    ...(err?.stack !== undefined && { err: { ...err, stack: ownFrames(err.stack) } }),
  }
}

/** `stack` with paths from the folder of the service, and without the frames inside of Node. */
function ownFrames(stack: string): string {
  const lines = stack.split('\n').filter((line) => !/^ +at (?:.* \()?node:/.test(line))
  return lines.join('\n').replaceAll(`${process.cwd()}/`, '').replaceAll('file://', '')
}

function requestLine(line: Line, colour: boolean): string {
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(format, text, { validateStream: false }) : text
  const { method = '', path = '-', status = 0, durationMs, cause, refused, err } = line
  // What somebody will look for: /debug/contexts?trace=… shows it.
  const id = status >= 500 || cause !== undefined ? (line.traceId ?? line.requestId) : undefined
  const parts = [
    `[${line.time === undefined ? '' : new Date(line.time).toTimeString().slice(0, 8)}]`,
    method.padEnd(6),
    path,
    style(colourOf(status), String(status)),
    ...(durationMs === undefined ? [] : [style('dim', `${durationMs.toFixed(1)} ms`)]),
    ...[cause, refused].flatMap((reason) => (reason === undefined ? [] : [style('yellow', reason)])),
    ...(id === undefined ? [] : [style('dim', id)]),
  ]
  const details = [
    ...(err?.stack === undefined ? [] : [style('red', ownFrames(err.stack))]),
    ...(typeof err?.statement === 'string' ? [`${style('dim', 'statement:')} ${err.statement}`] : []),
  ]
  return [parts.join(' '), ...details.map((detail) => detail.replaceAll(/^/gm, '    ')), ''].join('\n')
}

function colourOf(status: number): 'green' | 'cyan' | 'yellow' | 'red' {
  if (status >= 500) return 'red'
  if (status >= 400) return 'yellow'
  return status >= 300 ? 'cyan' : 'green'
}
