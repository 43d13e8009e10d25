import { parseArgs } from 'node:util'
import { chosen, count } from '../support/command.ts'
import { loads, subjects, type Load, type Subject } from './catalogue.ts'

export interface Options {
  readonly subjects: readonly Subject[]
  readonly loads: readonly Load[]
  readonly rounds: number
  /** How long each load on each subject lasts in a round. */
  readonly seconds: number
  /** Whether docs/goodput.svg is written. */
  readonly svg: boolean
}

export const usage = `npm run bench:goodput -- [options]

  --only a,b        of the subjects ${subjects.map(({ name }) => name).join(', ')}
  --load a          of the loads ${loads.map(({ name }) => name).join(', ')} (default: all)
  --rounds n        measurements of each, taken in turn (default 1)
  --seconds n       each measurement (default 16, of which the second half counts as steady)
  --svg             writes docs/goodput.svg
  --quick           6 s, heavy: to see that it runs, not to quote`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      load: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      svg: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    subjects: chosen('--only', values.only, subjects),
    loads: chosen('--load', values.load ?? (values.quick ? 'heavy' : undefined), loads),
    rounds: count('--rounds', values.rounds ?? '1'),
    seconds: count('--seconds', values.seconds ?? (values.quick ? '6' : '16')),
    svg: values.svg,
  }
}
