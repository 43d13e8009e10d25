import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './service-process.ts'

const managers = {
  'package-lock.json': 'npm',
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
} as const

/** The files in which package managers record what they have installed. */
export const lockFiles = Object.keys(managers) as (keyof typeof managers)[]

/** A lock file, and the package manager that it belongs to. */
export interface Lock {
  readonly folder: string
  readonly file: (typeof lockFiles)[number]
  readonly manager: 'npm' | 'pnpm' | 'yarn' | 'bun'
}

/** The lock files of the service, or of the workspace that it is part of. */
export function findLocks(): Lock[] {
  for (let folder = root; ; folder = dirname(folder)) {
    const present = lockFiles.filter((file) => existsSync(join(folder, file)))
    if (present.length > 0) return present.map((file) => ({ folder, file, manager: managers[file] }))
    if (folder === dirname(folder)) return []
  }
}

export type PackageManager = Lock['manager']

/** The package manager of the lock file; without one, the one that runs this process, or npm. */
export function packageManager(): PackageManager {
  const running = /^(?:npm|pnpm|yarn|bun)(?=\/)/.exec(process.env['npm_config_user_agent'] ?? '')?.[0]
  return findLocks()[0]?.manager ?? (running as PackageManager | undefined) ?? 'npm'
}

/** The parts of a package.json that the scripts need. */
export interface Manifest {
  readonly name: string
  readonly version?: string
  readonly packageManager?: string
  readonly engines?: { readonly node?: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  /** The overrides by the name of a member: ranges, and the ranges below a dependency. */
  readonly overrides?: Readonly<
    Record<string, Readonly<Record<string, string | Readonly<Record<string, string>>>>>
  >
}

/** The package.json of a folder, by default that of the service. */
export function readManifest(folder = root): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}
