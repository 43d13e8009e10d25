import { parseArgs } from 'node:util'
import { chosen, count } from '../support/command.ts'
import { clients, deadlines, factors, subjects, type Client, type Subject } from './catalogue.ts'

export interface Options {
  readonly subjects: readonly Subject[]
  readonly deadlines: readonly number[]
  readonly factors: readonly number[]
  readonly clients: readonly Client[]
  /** How long each load lasts. */
  readonly seconds: number
  /** Whether docs/overload.svg is written. */
  readonly svg: boolean
}

export const usage = `npm run bench:overload -- [options]

  --only a,b        of the subjects ${subjects.map(({ name }) => name).join(', ')}
  --deadline a,b    of the deadlines ${deadlines.join(', ')}, in ms
  --factor a,b      of the loads ${factors.join(', ')}, as multiples of what can be served
  --client a        of the clients ${clients.join(', ')} (default: both)
  --seconds n       each measurement (default 16, of which the second half counts as steady)
  --svg             writes docs/overload.svg
  --quick           6 s, three times the load, 3 s, patient: to see that it runs, not to quote`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: text,
      deadline: text,
      factor: text,
      client: text,
      seconds: text,
      svg: flag,
      quick: flag,
      help: flag,
    },
  })
  if (values.help) return 'help'
  const quick = values.quick
  return {
    subjects: chosen('--only', values.only, subjects),
    deadlines: some('--deadline', values.deadline ?? (quick ? '3000' : undefined), deadlines),
    factors: some('--factor', values.factor ?? (quick ? '3' : undefined), factors),
    clients: some('--client', values.client ?? (quick ? 'patient' : undefined), clients),
    seconds: count('--seconds', values.seconds ?? (quick ? '6' : '16')),
    svg: values.svg,
  }
}

function some<T extends number | string>(option: string, wanted: string | undefined, all: readonly T[]): T[] {
  return chosen(
    option,
    wanted,
    all.map((value) => ({ name: String(value), value })),
  ).map(({ value }) => value)
}
