import { packageManagers, type PackageManager } from './package-manager.ts'

/** How the user started this command, which is how its printed lines tell them to start it again. */
export interface Door {
  readonly manager: PackageManager
  /** The command line that runs this command with `args`. */
  line(args: readonly string[]): string
}

/** Finds in the environment how this command was started: `npm run create` of a clone, or `create` of a package manager. */
export function doorFrom(env: NodeJS.ProcessEnv): Door {
  const agent = /^([a-z]+)\//.exec(env['npm_config_user_agent'] ?? '')?.[1]
  const manager = packageManagers.find((known) => known === agent) ?? 'npm'
  if (env['npm_lifecycle_event'] === 'create' && env['npm_package_name'] === 'create-mainstem') {
    return { manager, line: ([directory = '', ...flags]) => line('npm run create --', directory, '', flags) }
  }
  switch (manager) {
    case 'npm':
      return {
        manager,
        line: ([directory = '', ...flags]) => line('npm create mainstem@latest', directory, '--', flags),
      }
    case 'yarn':
      return {
        manager,
        line: ([directory = '', ...flags]) => line('yarn create mainstem', directory, '', flags),
      }
    case 'pnpm':
    case 'bun':
      return {
        manager,
        line: ([directory = '', ...flags]) => line(`${manager} create mainstem@latest`, directory, '', flags),
      }
  }
}

/** Joins what is not empty; npm needs `--` before flags that are not its own. */
function line(command: string, directory: string, separator: string, flags: readonly string[]): string {
  return [command, quoted(directory), flags.length > 0 ? separator : '', ...flags]
    .filter((part) => part !== '')
    .join(' ')
}

/** `word` as a shell reads it back: in quotes where it needs them. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
