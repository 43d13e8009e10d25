import { parseArgs } from 'node:util'
import { count } from '../support/command.ts'

export interface Options {
  readonly parts: ReadonlySet<string>
  /** How many hang-ups, and how many clients at a time. */
  readonly hangUps: number
  readonly concurrent: number
  /** How many calls to cancel, and the size of the pool. */
  readonly cancels: number
  readonly pool: number
}

export const usage = `npm run bench:cancel -- [options]

  --only latency,stress   one of the two
  --hang-ups n            clients that hang up (default 1000)
  --concurrent n          of them connected at a time (default 50)
  --cancels n             calls that are cancelled at random (default 20000)
  --pool n                connections they share with their neighbours (default 8)`

const parts = ['latency', 'stress']

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      'hang-ups': { type: 'string', default: '1000' },
      concurrent: { type: 'string', default: '50' },
      cancels: { type: 'string', default: '20000' },
      pool: { type: 'string', default: '8' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const wanted = values.only?.split(',') ?? parts
  const unknown = wanted.find((part) => !parts.includes(part))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: expected some of ${parts.join(', ')}`)
  return {
    parts: new Set(wanted),
    hangUps: count('--hang-ups', values['hang-ups']),
    concurrent: count('--concurrent', values.concurrent),
    cancels: count('--cancels', values.cancels),
    pool: count('--pool', values.pool),
  }
}
