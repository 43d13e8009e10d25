import { constants, cpus, loadavg } from 'node:os'
import { flagFault } from '../../templates/service/generators/engine/typed.ts'
import { background, cause, type Context } from '../../templates/service/src/context/context.ts'
import { SignalReceived, withSignals } from '../../templates/service/src/context/signals.ts'

/**
 * The process of a bench: `--help` prints `usage`; other arguments are parsed and passed to `run`, and wrong ones end it with one
 * sentence. Ctrl-C ends the context of `run`, and so everything that it started. Exits with 1 after wrong arguments or if `run`
 * resolves with false, and with 128 + the number of the signal that ended it.
 */
export async function command<Options>(
  usage: string,
  parseOptions: (args: readonly string[]) => Options | 'help',
  run: (ctx: Context, options: Options) => Promise<unknown>,
): Promise<void> {
  const options = optionsFrom(usage, parseOptions)
  if (options === undefined) return
  using ctx = withSignals(background(), 'SIGINT', 'SIGTERM')
  try {
    if ((await run(ctx, options)) === false) process.exitCode = 1
  } catch (error) {
    const stopped = cause(ctx)
    if (!(stopped instanceof SignalReceived)) throw error
    console.error(`${stopped.message}: the bench has stopped`)
    process.exitCode = 128 + constants.signals[stopped.signal]
  }
}

/** Prints `usage`, or what is wrong with the arguments, if there is nothing to run. */
function optionsFrom<Options>(
  usage: string,
  parseOptions: (args: readonly string[]) => Options | 'help',
): Options | undefined {
  try {
    const options = parseOptions(process.argv.slice(2))
    if (options !== 'help') return options
    console.log(usage)
  } catch (error) {
    const [line = ''] = usage.split('\n')
    console.error(`${flagFault(error, {})}: ${line.replace(/ \[?-.*/, '')} -- --help lists the options`)
    process.exitCode = 1
  }
  return undefined
}

/** The machine and the time of the figures. */
export function machine(): string {
  const [cpu] = cpus()
  return `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${new Date().toISOString().slice(0, 10)}`
}

/** The load of the last minute: above 1, other work ran too. */
export function loadAverage(): string {
  return (loadavg()[0] ?? 0).toFixed(1)
}

/** The value of a flag that is a positive number. @throws Error of one sentence if it is not */
export function count(flag: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${flag} ${text}: expected a number above 0`)
  return Number(text)
}

/**
 * The entries of `all` that a flag names, separated by commas; all without the flag.
 * @throws Error of one sentence for another name
 */
export function chosen<T extends { readonly name: string }>(
  flag: string,
  text: string | undefined,
  all: readonly T[],
): readonly T[] {
  const wanted = text?.split(',')
  const unknown = wanted?.find((name) => !all.some((each) => each.name === name))
  if (unknown !== undefined) throw new Error(`${flag} ${unknown}: unknown name; see --help`)
  return all.filter(({ name }) => wanted?.includes(name) ?? true)
}

/** A figure, and whether it meets its goal; undefined if it has none. */
export type Verdict = readonly [what: string, figure: string | number, holds?: boolean | undefined]

/** A markdown table of figures and verdicts. */
export function verdictsTable(rows: readonly Verdict[]): string {
  const lines = rows.map(
    ([what, figure, holds]) =>
      `| ${what} | ${figure} | ${holds === undefined ? '' : holds ? 'ok' : 'NOT OK'} |`,
  )
  return ['| | | |', '|---|---|---|', ...lines].join('\n')
}

export function allHold(rows: readonly Verdict[]): boolean {
  return rows.every(([, , holds]) => holds !== false)
}
