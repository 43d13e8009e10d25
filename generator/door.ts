import { packageManagers, type PackageManager } from './package-manager.ts'

/** How the user started this command. The command lines that it prints use the same form. */
export interface Door {
  readonly manager: PackageManager
  /** The version of `manager`, if the environment has it. */
  readonly version: string | undefined
  /** The command line that runs this command with `args`. */
  line(args: readonly string[]): string
}

/**
 * Reads from the environment how this command was started: by `npm run create` of a clone, or by `create` of a package manager.
 */
export function doorFrom(env: NodeJS.ProcessEnv): Door {
  const [, agent, version] = /^([a-z]+)\/(\d+\.\d+\.\d+\S*)?/.exec(env['npm_config_user_agent'] ?? '') ?? []
  const manager = packageManagers.find((known) => known === agent) ?? 'npm'
  const [command, separator] = commandFor(manager, env)
  return {
    manager,
    version: manager === agent ? version : undefined,
    line: ([directory = '', ...flags]) => line(command, directory, separator, flags),
  }
}

/** The command line before the directory, and what must stand before the flags. */
function commandFor(manager: PackageManager, env: NodeJS.ProcessEnv): [string, string] {
  if (env['npm_lifecycle_event'] === 'create' && env['npm_package_name'] === 'create-mainstem')
    return ['npm run create --', '']
  switch (manager) {
    case 'npm':
      return ['npm create mainstem@latest', '--']
    case 'yarn':
      return ['yarn create mainstem', '']
    case 'pnpm':
    case 'bun':
      return [`${manager} create mainstem@latest`, '']
  }
}

/** Joins the parts that are not empty; npm needs `--` before flags that are not its own. */
function line(command: string, directory: string, separator: string, flags: readonly string[]): string {
  return [command, quoted(directory), flags.length > 0 ? separator : '', ...flags]
    .filter((part) => part !== '')
    .join(' ')
}

/** Quotes `word` for a shell if necessary. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
