import { parseArgs } from 'node:util'
import { chosen, count } from '../support/command.ts'
import { catalogue, type Case } from './catalogue.ts'

export interface Options {
  /** Major versions. */
  readonly nodes: readonly string[]
  readonly cases: readonly Case[]
  readonly rounds: number
  /** Processor time of one measurement, without its warm-up. */
  readonly ms: number
}

export const usage = `npm run bench:context -- [options]

  --node 20,22,24   the versions of Node to run under (default: this one); others are fetched from npm
  --only a,b        of the cases ${catalogue.map(({ name }) => name).join(', ')}
  --rounds n        measurements of each, taken in turn (default 5)
  --ms n            processor time of each of them (default 200)
  --quick           2 rounds of 40 ms: to see that it runs, not to quote`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      node: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string' },
      ms: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    nodes: (values.node ?? process.versions.node.split('.')[0] ?? '').split(',').map(major),
    cases: chosen('--only', values.only, catalogue),
    rounds: count('--rounds', values.rounds ?? (values.quick ? '2' : '5')),
    ms: count('--ms', values.ms ?? (values.quick ? '40' : '200')),
  }
}

function major(text: string): string {
  if (!/^\d+$/.test(text)) throw new Error(`--node ${text}: expected major versions, like 20,22,24`)
  return text
}
