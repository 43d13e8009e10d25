import { tmpdir } from 'node:os'
import type { Context } from '../templates/service/src/context/context.ts'
import { lastLines, execute } from './command.ts'
import type { Door } from './door.ts'
import { Failure } from './failure.ts'
import { childEnvironment, requireInstalled, type PackageManager } from './package-manager.ts'

/** A package manager other than npm. The skeleton lacks its files. */
export type Other = Exclude<PackageManager, 'npm'>

/** The package manager of a service. The files of a service name the version, except npm's, which comes with Node. */
export type Manager = { readonly name: 'npm' } | { readonly name: Other; readonly version: string }

/** The oldest versions that read the files of a service correctly. */
const oldest: Record<Other, { title: string; version: string }> = {
  pnpm: { title: 'pnpm', version: '9.0' },
  yarn: { title: 'Yarn', version: '4.0' },
  bun: { title: 'Bun', version: '1.2' },
}

/**
 * Finds the version of the package manager; starts it only if neither `named` nor `door` has the version.
 * @param named the version that a workspace names
 * @throws Failure if it is not installed, too old or does not print its version; the cause of ctx when it ends
 */
export async function usableManager(
  ctx: Context,
  name: PackageManager,
  door: Door,
  named?: string,
): Promise<Manager> {
  if (name === 'npm') return { name }
  const version = named ?? (name === door.manager ? door.version : undefined) ?? (await ask(ctx, name))
  const { title, version: wanted } = oldest[name]
  if (!isAtLeast(version, wanted)) {
    throw new Failure(
      `${title} ${version} is too old: a service needs ${title} ${wanted.replace('.0', '')} or later; install it or choose another with --pm`,
    )
  }
  return { name, version }
}

/** Not run in the directory of the service: a package.json above it may name another version. */
async function ask(ctx: Context, name: Other): Promise<string> {
  requireInstalled(name, process.env)
  const env = childEnvironment(process.env)
  const { stdout, output } = await execute(ctx, name, ['--version'], { cwd: tmpdir(), env })
  const version = /^\d+\.\d+\.\d+\S*$/m.exec(stdout)?.[0]
  if (version !== undefined) return version
  throw new Failure(
    `${name} --version prints no version: repair ${name} or choose another package manager with --pm`,
    { output: lastLines(output, 5) },
  )
}

function isAtLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number)
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
