import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { parseArgs } from 'node:util'
import { flagFault } from '../../templates/service/generators/engine/typed.ts'
import { Failure } from '../failure.ts'

/** The options of `create-mainstem update`. */
export interface UpdateOptions {
  /** The folder of the service; the current one unless given. */
  readonly directory: string
  readonly check: boolean
  readonly dryRun: boolean
  readonly json: boolean
  readonly abort: boolean
  readonly restamp: boolean
  readonly adopt: boolean
  /** With `adopt`: how pieces were added, as typed after `npm run add --`. */
  readonly pieces: readonly string[]
  /** The version of the service, or its tarball, for texts that git lacks. */
  readonly from: string | undefined
  /** Files to replace by the template's. */
  readonly restore: readonly string[]
  readonly install: boolean
  readonly help: boolean
}

/** What `update --help` prints. */
export const updateHelp = `create-mainstem update [directory] [options]
npm create mainstem@latest -- update [options]

Merges the template of this version into a service, and keeps your changes. It
writes all files or none, and installs the packages that package.json then
names. It commits nothing and switches no branch.

  --check            write nothing; exit code 2 if the service is behind, 3 if
                     it holds conflict markers
  --dry-run          print what would change, and write nothing
  --json             print one JSON object on stdout, everything else on stderr
  --restore <path>   replace this file of the service with the template's; may
                     be repeated
  --restamp          only merge the changes of the service's own generators/
                     into the pieces that they stamped before
  --abort            undo the last update, if it is not committed
  --adopt            for a service without .mainstem.json: find the original
                     files, and record them
  --piece <line>     with --adopt: how a piece was added, such as
                     'resource invoice --fields title:text'; may be repeated
  --from <version>   the version that the service is from, or the path of its
                     tarball, if the command cannot find it
  --no-install       do not install the dependencies
  -h, --help         print this

Exit code 0: it succeeded, or there was nothing to do. 1: it refused or failed,
and wrote nothing. 2: behind (--check). 3: it left conflicts to resolve.
`

/**
 * Reads the command line after the word `update`.
 * @throws Failure for an unknown flag, a second directory, or flags that exclude each other
 */
export function updateOptionsFrom(args: readonly string[]): UpdateOptions {
  const { values, positionals } = parse(args)
  const [directory = '.', second] = positionals
  if (second !== undefined)
    throw new Failure(`unexpected second directory '${second}': update takes the folder of one service`)
  const modes = ['check', 'abort', 'restamp', 'restore'] as const
  const [one, other] = modes.filter((mode) => values[mode] === true || Array.isArray(values[mode]))
  if (other !== undefined)
    throw new Failure(`--${one ?? ''} and --${other} exclude each other: drop one of them`)
  if (values.piece !== undefined && !values.adopt)
    throw new Failure(
      '--piece belongs to --adopt: it says how a piece was added to a service without a record',
    )
  const { from } = values
  if (from !== undefined && /[\\/]|\.tgz$/.test(from) && !existsSync(from))
    throw new Failure(`--from ${from} does not exist: name a version, or the path of its tarball`)
  return {
    directory,
    check: values.check,
    dryRun: values['dry-run'],
    json: values.json,
    abort: values.abort,
    restamp: values.restamp,
    adopt: values.adopt,
    pieces: values.piece ?? [],
    from,
    // Normalizes paths as in the record: a shell may add ./ or, on Windows, backslashes.
    restore: [...new Set(values.restore?.map((path) => posix.normalize(path.replaceAll('\\', '/'))))],
    install: !values['no-install'],
    help: values.help,
  }
}

const flags = {
  check: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  abort: { type: 'boolean', default: false },
  restamp: { type: 'boolean', default: false },
  adopt: { type: 'boolean', default: false },
  piece: { type: 'string', multiple: true },
  from: { type: 'string' },
  restore: { type: 'string', multiple: true },
  'no-install': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      strict: true,
      options: flags,
    })
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause
    throw new Failure(`${flagFault(cause, flags)}: see create-mainstem update --help for the flags`, {
      cause,
    })
  }
}
