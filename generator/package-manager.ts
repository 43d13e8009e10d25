import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Failure } from './failure.ts'

/** A program that installs the dependencies of the new service. */
export type PackageManager = (typeof packageManagers)[number]

/** The names that `--pm` takes. */
export const packageManagers = ['npm', 'pnpm', 'yarn', 'bun'] as const

const writers = {
  'package-lock.json': 'npm',
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
} as const

/** The lock files that package managers write beside package.json. */
export const lockFiles = Object.keys(writers) as (keyof typeof writers)[]

/** The lock file that the package manager writes today. */
export function lockFileOf(manager: PackageManager): string {
  return lockFiles.find((file) => writers[file] === manager) ?? ''
}

/** The package manager whose lock file is in `folder`. */
export function managerOfLock(folder: string): PackageManager | undefined {
  const lock = lockFiles.find((file) => existsSync(join(folder, file)))
  return lock && writers[lock]
}

/**
 * The package manager of that name.
 * @throws Failure naming the four that exist
 */
export function packageManagerFrom(name: string): PackageManager {
  const known = packageManagers.find((manager) => manager === name)
  if (known === undefined)
    throw new Failure(`--pm must be one of ${packageManagers.join(', ')}, not '${name}'`)
  return known
}

/**
 * Checks that `manager` can be started.
 * @throws Failure if no folder of PATH has it
 */
export function requireInstalled(manager: PackageManager, env: NodeJS.ProcessEnv): void {
  if (findOnPath(manager, env) !== undefined) return
  throw new Failure(
    `${manager} is not installed (it is in no folder of PATH): install it or choose another with --pm`,
  )
}

/** The file that `command` starts, or undefined if no folder of PATH has one. */
export function findOnPath(command: string, env: NodeJS.ProcessEnv): string | undefined {
  const names = process.platform === 'win32' ? [`${command}.cmd`, `${command}.exe`, command] : [command]
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      const file = join(folder === '' ? '.' : folder, name)
      if (isExecutable(file)) return file
    }
  }
  return undefined
}

/**
 * The arguments that install all dependencies and write the lock file, without questions. They repeat defaults of npm and pnpm
 * that the user's npmrc may have changed (`omit=dev`, `package-lock=false`, `dry-run=true`). Yarn and bun have no such flags:
 * `install` checks their result.
 * @param atRoot whether to install a workspace, whose own settings then apply
 */
export function installArguments(manager: PackageManager, atRoot = false): string[] {
  switch (manager) {
    case 'npm':
      return [
        ...['install', '--no-audit', '--no-fund', '--no-dry-run', '--location=project', '--no-global'],
        ...['--include=dev', '--include=optional', '--include=peer', '--no-legacy-peer-deps'],
        ...['--package-lock', '--no-package-lock-only', '--save', '--bin-links'],
        // Inside a workspace npm would install the workspace instead, and write no lock file for the service.
        ...(atRoot ? [] : ['--install-strategy=hoisted', '--workspaces=false']),
      ]
    case 'pnpm':
      return [
        // In CI pnpm refuses to write a lock file. Inside another workspace pnpm installs only the service, which is a workspace
        // itself.
        ...['install', '--no-frozen-lockfile', '--lockfile', '--lockfile-only=false'],
        ...['--prod=false', '--dev=false', '--optional', '--config.only=all'],
        '--config.enable-modules-dir=true',
      ]
    case 'yarn':
    case 'bun':
      return ['install']
  }
}

/** The arguments that run a script of package.json, and print only its output if the package manager can. */
export function scriptArguments(manager: PackageManager, script: string, args: string[] = []): string[] {
  switch (manager) {
    case 'npm':
      return ['run', '--silent', '--workspaces=false', script, ...(args.length > 0 ? ['--', ...args] : [])]
    case 'pnpm':
    case 'yarn':
    case 'bun':
      return ['run', script, ...args]
  }
}

/**
 * The environment for a program that works on the new service. It omits the variables in which an outer `npm run` or `npm create`
 * describes its own package and command line, and NODE_ENV, with which npm may leave out the devDependencies.
 */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !outerVariables.test(name))
  return {
    ...Object.fromEntries(kept),
    // Yarn refuses to write the first lock file if it believes it runs in CI.
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
  }
}

const outerVariables = new RegExp(
  '^(NODE_ENV|INIT_CWD|npm_(package_|lifecycle_|command$|execpath$|node_execpath$|new_)|npm_config_(' +
    'local_prefix|user_agent|workspaces?|include_workspace_root|include|omit|call|package|global|yes|json|force|dry_run|' +
    'message|parseable|install|git|example|verify|ignore_workspace|omit_lockfile_registry_resolved)$)',
  'i',
)

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
