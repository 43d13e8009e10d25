import { parseArgs } from 'node:util'
import { Failure } from './failure.ts'
import { packageManagerFrom, type PackageManager } from './package-manager.ts'

/** What the command line said. Undefined: it said nothing of this, so a terminal is asked, or the default holds. */
export interface Options {
  readonly directory: string | undefined
  readonly yes: boolean
  readonly install: boolean | undefined
  readonly git: boolean | undefined
  readonly example: boolean | undefined
  readonly pm: PackageManager | undefined
  readonly dryRun: boolean
  readonly json: boolean
  readonly force: boolean
  readonly verify: boolean
  readonly help: boolean
  readonly version: boolean
}

/** What `--help` prints. */
export const help = `create-mainstem <directory> [options]
npm create mainstem@latest <name> [-- options]

Creates a TypeScript microservice in which every unit of work hangs from one root context.

  --yes              ask nothing: what no flag says has its default
  --no-install       do not install the dependencies
  --no-git           do not make a git repository with one commit
  --no-example       the skeleton alone, without the documents API
  --pm <name>        npm, pnpm, yarn or bun; the one that started this command, else npm
  --dry-run          print the files that would be written, write nothing
  --json             print one JSON object on stdout, all else on stderr
  --force            write into a directory that is not empty: files of the same name are replaced, others stay
  --verify           type-check the new service, start it, upload, hang up, stop it; print what was seen
  --help             print this
  --version          print the version

The directory's last part is the name of the service: a-z, 0-9 and -, a letter first. Without a terminal
nothing is asked.
`

/**
 * Reads the command line (without node and the script).
 * @throws Failure for an unknown flag, a flag without its value, a second directory, or two flags that exclude each other
 */
export function optionsFrom(args: readonly string[]): Options {
  const { values, positionals } = parse(args)
  const [directory, second] = positionals
  if (second !== undefined) {
    throw new Failure(
      `'${second}' is a second directory after '${directory ?? ''}': name one, the new service's`,
    )
  }
  if (values.verify && values['no-install']) {
    throw new Failure(
      '--verify runs the service, which --no-install leaves without its dependencies: drop one',
    )
  }
  if (values.verify && values['dry-run']) {
    throw new Failure('--verify runs the service, of which --dry-run writes nothing: drop one')
  }
  return {
    directory,
    yes: values.yes,
    install: values['no-install'] ? false : values.verify ? true : undefined,
    git: values['no-git'] ? false : undefined,
    example: values['no-example'] ? false : undefined,
    pm: values.pm === undefined ? undefined : packageManagerFrom(values.pm),
    dryRun: values['dry-run'],
    json: values.json,
    force: values.force,
    verify: values.verify,
    help: values.help,
    version: values.version,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      strict: true,
      options: {
        yes: { type: 'boolean', default: false },
        'no-install': { type: 'boolean', default: false },
        'no-git': { type: 'boolean', default: false },
        'no-example': { type: 'boolean', default: false },
        pm: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        force: { type: 'boolean', default: false },
        verify: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        version: { type: 'boolean', default: false },
      },
    })
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause
    // Node's message goes on with advice about positionals that does not fit here.
    const [fact = ''] = cause.message.split(/\. |\.?\n/)
    throw new Failure(`${fact}: see create-mainstem --help for the flags`, { cause })
  }
}
