import { parseArgs } from 'node:util'
import { count } from '../support/command.ts'

export interface Options {
  /** How often each command is started, in turn with the other. */
  readonly rounds: number
}

export const usage = `npm run bench:create -- [options]

  --rounds n   cold and warm starts of each command (default 5)

Packs this repository and create-vite, serves both from a registry on loopback, and prints
what npm fetches and stores, and how long each command takes to write its tree.`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  })
  return values.help ? 'help' : { rounds: count('--rounds', values.rounds) }
}
