import { parseArgs } from 'node:util'
import { chosen, count } from '../support/command.ts'
import { subjects, type Subject } from './catalogue.ts'

export interface Options {
  readonly subjects: readonly Subject[]
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
}

export const usage = `npm run bench:tracing -- [options]

  --only a,b        of ${subjects.map(({ name }) => name).join(', ')}
  --rounds n        measurements of each, in turn with bare Hono (default 5)
  --seconds n       each of them (default 2)`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    subjects: chosen('--only', values.only, subjects),
    rounds: count('--rounds', values.rounds),
    seconds: count('--seconds', values.seconds),
  }
}
