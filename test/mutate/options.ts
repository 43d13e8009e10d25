import { parseArgs } from 'node:util'

export interface Options {
  /** Only files whose path starts with this, as src/platform. */
  readonly only: string
  /** Only mutants of these kinds; all if empty. */
  readonly kinds: ReadonlySet<string>
  readonly limit: number
  readonly resume: boolean
  /** Checks to leave out, to see what the others notice. */
  readonly skip: ReadonlySet<string>
  /** Path prefixes of tests that start the service and run even if `skip` leaves those out. */
  readonly through: readonly string[]
}

export const usage = `npm run mutate -- [options]

  --only src/platform   files that begin so
  --kind using,signal   of ctx, using, signal, afterFunc
  --limit n             stop after n mutants
  --resume              keep what the last run found out about files that have not changed since
  --skip types,lint     leave checks out: types, lint, tests, or of the tests those that start the service, which
                        take minutes for each mutant that nothing else notices: service
  --through test/a      with --skip service: not those that begin so`

const kinds = ['ctx', 'using', 'signal', 'afterFunc']
const checks = ['types', 'lint', 'tests', 'service']

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: 'src/' },
      kind: { type: 'string' },
      limit: { type: 'string' },
      resume: { type: 'boolean', default: false },
      skip: { type: 'string' },
      through: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const limit = values.limit === undefined ? Infinity : Number(values.limit)
  if (!(limit >= 1)) throw new Error(`--limit ${values.limit}: expected a number above 0`)
  return {
    only: values.only,
    kinds: some('--kind', values.kind, kinds),
    limit,
    resume: values.resume,
    skip: some('--skip', values.skip, checks),
    through: values.through.split(',').filter((path) => path !== ''),
  }
}

function some(flag: string, text: string | undefined, allowed: readonly string[]): ReadonlySet<string> {
  const wanted = new Set(text?.split(','))
  for (const each of wanted) {
    if (!allowed.includes(each)) throw new Error(`${flag} ${each}: expected some of ${allowed.join(', ')}`)
  }
  return wanted
}
