import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { childEnvironment } from '../../generator/package-manager.ts'

/**
 * Installs the newest Node of a line, such as 22, from npm below `folder`.
 * @returns the folder for PATH that holds its program
 */
export function installNode(folder: string, line: string): string {
  const home = join(folder, `node-${line}`)
  // The package `node` links its program in an install script, which npm may refuse, so this uses the platform's package.
  const name = `node-${process.platform}-${process.arch}`
  const args = ['install', '--prefix', home, '--no-save', '--no-audit', '--no-fund', `${name}@${line}`]
  const options = { env: childEnvironment(process.env), encoding: 'utf8' } as const
  const { status, stderr } = spawnSync('npm', args, options)
  if (status !== 0) throw new Error(`npm could not install Node ${line}: ${stderr}`)
  return join(home, 'node_modules', name, 'bin')
}
