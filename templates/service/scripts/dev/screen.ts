import { execFileSync } from 'node:child_process'
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

/**
 * Calls the function that `keys` has for a typed key, and `quit` on Ctrl-C; Ctrl-Z suspends this process until `fg`.
 * @returns whether it reads keys, which it does if stdin is a terminal and this process is in its foreground
 */
export function readKeys(keys: Readonly<Record<string, () => void>>, quit: () => void): boolean {
  const { stdin } = process
  if (!stdin.isTTY || !isInForeground()) return false
  // In raw mode the terminal passes on each key at once, and sends no signals for Ctrl-C and Ctrl-Z.
  stdin.setRawMode(true)
  const all = new Map(Object.entries({ ...keys, '\u0003': quit, '\u001a': suspend }))
  stdin.setEncoding('utf8').on('data', (typed) => {
    for (const key of String(typed)) all.get(key)?.()
  })
  process.on('SIGCONT', () => isInForeground() && stdin.setRawMode(true))
  return true
}

/** Stops the whole process group, npm included, as the terminal would. */
function suspend(): void {
  process.stdin.setRawMode(false)
  process.kill(0, 'SIGTSTP')
}

/** Reading the terminal from the background (`npm run dev &`) would stop the process. */
function isInForeground(): boolean {
  try {
    const ids = execFileSync('ps', ['-o', 'pgid=,tpgid=', '-p', String(process.pid)], { encoding: 'utf8' })
    const [group, foreground] = ids.trim().split(/\s+/)
    return group === foreground
  } catch {
    // There is no ps: on Windows, which has no background processes, or in a small container.
    return process.platform === 'win32'
  }
}
