import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { styleText } from 'node:util'
import { openPretty } from '../../src/platform/telemetry/pretty.ts'
import { inOwnCommands } from '../own-commands.ts'

/** The fields of a log line that dev uses. */
export interface LogLine {
  readonly level?: string
  readonly msg?: string
  readonly service?: string
  readonly port?: number
  readonly adminPort?: number
  readonly applied?: readonly string[]
}

/**
 * Prints a log of JSON lines on stdout: formatted if stdout is a terminal or LOG_FORMAT=pretty, unchanged if LOG_FORMAT=json.
 * @param onLine gets each line first; if it returns true, the line is not printed in the formatted log
 */
export function showLog(log: Readable, format: string | undefined, onLine: (line: LogLine) => boolean): void {
  const { stdout } = process
  const pretty = format === 'pretty' || (format !== 'json' && stdout.isTTY)
  const prettify = pretty ? openPretty(stdout.isTTY && stdout.hasColors()) : undefined
  createInterface({ input: log }).on('line', (text) => {
    const shown = onLine(parse(text))
    if (prettify === undefined) stdout.write(`${text}\n`)
    else if (!shown) stdout.write(text.startsWith('{') ? prettify(text) : `${text}\n`)
  })
}

function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    // Output of the service that is not a log line, such as console.log.
    return {}
  }
}

/** Prints `message` on stderr, because stdout is the service's log. */
export function say(message: string): void {
  console.error(`${dim('dev:')} ${inOwnCommands(message)}`)
}

let shown = ''

/** Prints the addresses of the service, one on each line, so that a terminal opens them with a click. */
export function sayAddresses(
  title: string,
  addresses: Readonly<Record<string, string>>,
  hints: readonly string[],
): void {
  const rows = Object.entries(addresses).map(([name, url]) => `  ${dim(name.padEnd(9))} ${bright(url)}`)
  shown = [...rows, '', ...hints.map((hint) => `  ${dim(hint)}`), ''].join('\n')
  console.error(['', `  ${title}`, '', shown].join('\n'))
}

/** Prints the addresses again, since they scroll out of sight. */
export function repeatAddresses(): void {
  if (shown !== '') console.error(`\n${shown}`)
}

/** The address for a browser. */
export function addressOf(host: string, port: number): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`
  if (host === '::') return `http://[::1]:${port}`
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Clears the screen and its scrollback. */
export function clearScreen(): void {
  if (process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[3J\u001b[H')
}

const dim = (text: string): string => styled('dim', text)
const bright = (text: string): string => styled('cyan', text)

function styled(format: 'dim' | 'cyan', text: string): string {
  const { stderr } = process
  return stderr.isTTY && stderr.hasColors() ? styleText(format, text, { validateStream: false }) : text
}
