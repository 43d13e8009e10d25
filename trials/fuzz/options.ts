import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { count } from '../../bench/support/command.ts'
import { families } from './families.ts'
import { sieges } from './sieges.ts'

export interface Options {
  readonly seed: number
  /** Inputs of each family. */
  readonly runs: number
  /** Connections at a time. */
  readonly lanes: number
  /** The path of a shrunk failure, as fast-check prints it. */
  readonly path: string | undefined
  /** Connections that send nothing. */
  readonly idle: number
  readonly only: ReadonlySet<string>
}

const names = [...families, ...sieges].map(({ name }) => name)

export const usage = `npm run fuzz -- [options]

  --only a,b     of ${names.join(', ')}
  --runs n       inputs of each family (default 5000)
  --lanes n      connections at a time (default 32)
  --idle n       connections that send nothing (default 10000)
  --seed n       repeats a run; a failure prints the line that repeats it
  --path p       with --seed and --lanes 1: the failing input itself`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      runs: { type: 'string', default: '5000' },
      lanes: { type: 'string', default: '32' },
      idle: { type: 'string', default: '10000' },
      seed: { type: 'string' },
      path: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const only = values.only?.split(',') ?? names
  const unknown = only.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: expected some of ${names.join(', ')}`)
  return {
    seed: values.seed === undefined ? randomInt(2 ** 31) : count('--seed', values.seed),
    runs: count('--runs', values.runs),
    lanes: count('--lanes', values.lanes),
    idle: count('--idle', values.idle),
    path: values.path,
    only: new Set(only),
  }
}
