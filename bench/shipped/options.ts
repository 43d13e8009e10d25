import { parseArgs } from 'node:util'
import { chosen, count } from '../support/command.ts'
import { loads, subjects, type Subject } from './catalogue.ts'

export interface Options {
  readonly subjects: readonly Subject[]
  readonly loads: readonly (typeof loads)[number][]
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
}

const names = (all: readonly { name: string }[]): string => all.map(({ name }) => name).join(', ')

export const usage = `npm run bench:shipped -- [options]

  --only a,b        of ${names(subjects)}
  --load a,b        of ${names(loads)}
  --rounds n        measurements of each, in turn with bare Hono (default 5)
  --seconds n       each of them (default 3)
  --quick           three rounds of one second`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      load: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    subjects: chosen('--only', values.only, subjects),
    loads: chosen('--load', values.load, loads),
    rounds: count('--rounds', values.rounds ?? (values.quick ? '3' : '5')),
    seconds: count('--seconds', values.seconds ?? (values.quick ? '1' : '3')),
  }
}
