import { parseArgs } from 'node:util'
import { count } from '../../bench/support/command.ts'

export interface Options {
  readonly requests: number
  /** The number of counts, spread evenly over the requests; each takes 12 s. */
  readonly samples: number
  /** The soak ends after this many minutes, even before all requests are sent. */
  readonly minutes: number
  /** Whether docs/soak.svg is written. */
  readonly svg: boolean
}

export const usage = `npm run soak -- [options]

  --requests n   to send, of which clients hang up 20 % (default 1000000)
  --samples n    how often it counts live objects (default 30)
  --minutes n    ends the soak after n minutes, and prints how many were sent (default 25)
  --svg          writes docs/soak.svg`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      requests: { type: 'string', default: '1000000' },
      samples: { type: 'string', default: '30' },
      minutes: { type: 'string', default: '25' },
      svg: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    requests: count('--requests', values.requests),
    samples: count('--samples', values.samples),
    minutes: count('--minutes', values.minutes),
    svg: values.svg,
  }
}
