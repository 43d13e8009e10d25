import { parseArgs } from 'node:util'
import { flagFault } from '../templates/service/generators/engine/typed.ts'
import { Failure } from './failure.ts'
import { packageManagerFrom, type PackageManager } from './package-manager.ts'

/** The options of the command line. Undefined means not given: the command asks in a terminal, else it takes the default. */
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
npm create mainstem@latest -- update [options]   (see update --help)

Creates a TypeScript microservice in which every unit of work hangs from one
root context.

  -y, --yes       ask nothing, and use the default of each flag that is missing
  --no-install    do not install the dependencies
  --no-git        do not create a git repository
  --no-example    leave out the example, an API for documents
  --pm <name>     npm, pnpm, yarn or bun. Default: that of the workspace around
                  the directory, else the one that runs this command, else npm
  --dry-run       print the files and write nothing
  --json          print one JSON object on stdout, everything else on stderr
  --force         write into a directory that holds other files: replace those
                  of the same name, and keep the rest. README.md, LICENSE,
                  .gitignore and .git of a new repository do not need --force,
                  and stay
  --verify        check the types of the new service, start it, upload, hang up
                  and stop it, and print the results
  -h, --help      print this; the word help in place of the directory does too
  -v, --version   print the version

The last part of the directory names the service: a-z, 0-9 and -, a letter
first. Without a terminal the command asks nothing.
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
      `unexpected second directory '${second}' after '${directory ?? ''}': name one directory, for the new service`,
    )
  }
  if (values.verify && values['no-install']) {
    throw new Failure(
      '--verify needs the dependencies that --no-install leaves out: drop one of the two flags',
    )
  }
  if (values.verify && values['dry-run']) {
    throw new Failure('--verify needs the service that --dry-run does not write: drop one of the two flags')
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
    help: values.help || directory === 'help',
    version: values.version,
  }
}

const flags = {
  yes: { type: 'boolean', short: 'y', default: false },
  'no-install': { type: 'boolean', default: false },
  'no-git': { type: 'boolean', default: false },
  'no-example': { type: 'boolean', default: false },
  pm: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  verify: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'v', default: false },
} as const

/** The names that similar commands use for these flags. */
const ofOtherTools: ReadonlyMap<string, string> = new Map([
  ['skip-install', '--no-install'],
  ['skip-git', '--no-git'],
  ['package-manager', '--pm npm, pnpm, yarn or bun'],
  ['overwrite', '--force'],
])

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, strict: true, options: flags })
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause
    const [, foreign = ''] = /^Unknown option '--([\w-]+)/.exec(cause.message) ?? []
    const manager = /^(?:use-)?(npm|pnpm|yarn|bun)$/.exec(foreign)?.[1]
    const ours = manager === undefined ? ofOtherTools.get(foreign) : `--pm ${manager}`
    if (ours !== undefined) throw new Failure(`there is no --${foreign} here: write ${ours}`, { cause })
    throw new Failure(`${flagFault(cause, flags)}: see create-mainstem --help for the flags`, { cause })
  }
}
