import { parseArgs } from 'node:util'
import { count } from '../support/command.ts'

export interface Options {
  /** How many contexts are open during the measurement. */
  readonly contexts: number
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
}

export const usage = `npm run bench:inspector -- [options]

  --contexts n      how many are alive (default 10000)
  --rounds n        measurements of each, in turn with the service without an inspector (default 5)
  --seconds n       each of them (default 3)`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      contexts: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    contexts: count('--contexts', values.contexts),
    rounds: count('--rounds', values.rounds),
    seconds: count('--seconds', values.seconds),
  }
}
