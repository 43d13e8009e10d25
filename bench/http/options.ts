import { parseArgs } from 'node:util'
import { chosen, count } from '../support/command.ts'
import { subjects, type Subject } from './catalogue.ts'

export interface Options {
  /** Major versions. */
  readonly nodes: readonly string[]
  readonly subjects: readonly Subject[]
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  /** Measures the cost of each part of the boundary instead. */
  readonly price: boolean
}

export const usage = `npm run bench:http -- [options]

  --node 20,22,24   the versions of Node to run under (default: this one); others are fetched from npm
  --only a,b        of ${subjects.map(({ name }) => name).join(', ')}
  --rounds n        measurements of each, in turn with bare Hono (default 5)
  --seconds n       each of them (default 1)
  --price           instead: the boundary without this or that, to see where the price goes`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      node: { type: 'string', default: process.versions.node.split('.')[0] ?? '' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      price: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    nodes: values.node.split(',').map((each) => String(count('--node', each))),
    subjects: chosen('--only', values.only, subjects),
    rounds: count('--rounds', values.rounds),
    seconds: count('--seconds', values.seconds),
    price: values.price,
  }
}
