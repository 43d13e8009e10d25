import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { childEnvironment } from '../../generator/package-manager.ts'
import { run } from './create.ts'

/** The npm package of each package manager, by its name for `--pm`. npm itself is already installed. */
const packages = { pnpm: 'pnpm', yarn: '@yarnpkg/cli-dist', bun: 'bun' } as const

/**
 * Installs a package manager from npm below `folder`, of the given line or version.
 * @returns the folder for PATH that holds its program
 */
export async function installManager(
  folder: string,
  name: keyof typeof packages,
  version: string,
): Promise<string> {
  const home = join(folder, `${name}-${version}`)
  await mkdir(home, { recursive: true })
  // bun's install script installs its program.
  const flags = [
    '--prefix',
    home,
    '--no-save',
    '--no-ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
  ]
  const line = ['npm', 'install', ...flags, `${packages[name]}@${version}`]
  const done = await run(line, { cwd: home, env: childEnvironment(process.env) })
  if (done.code !== 0) throw new Error(`npm could not install ${name} ${version}: ${done.stderr}`)
  return join(home, 'node_modules/.bin')
}
